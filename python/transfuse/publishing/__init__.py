"""A folder of modules as a web site: a URL per function, mod_python's idea.

A map of the package, in the order in which a request goes through it:

- `application`: what a server holds; `under_wsgi`, `under_asgi`: the
  two protocols; `request`: what is known of a request, whichever it came by
- `service`: the flow of a request; `running`, `steps`: where functions run and streams are taken;
  `straying`: what a page raises and no server must see
- `places`: from a path to folders and a file; `packages`: who stands for those folders; `pages`,
  `definitions`: from a file to a live module, and what its source defines; `origins`: where that
  source lay; `names`: from there to a function
- `guards`, `inner_guards`, `credentials`: who may see it
- `bodies`, `forms`, `urlencoded`, `parameters`, `json_bodies`: what was sent; `arguments`,
  `conversions`: with what the function is called
- `answers`, `echoes`, `templates`, `plain`: what becomes of what it returns; `refusals`: what a
  visitor gets instead; `whereabouts`: what an author is told about where something stands
"""

from transfuse.publishing.answers import Response
from transfuse.publishing.application import Publisher
from transfuse.publishing.request import Request, Upload

__all__ = ["Publisher", "Request", "Response", "Upload"]
