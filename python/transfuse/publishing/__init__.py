"""A folder of modules as a web site: a URL per function, mod_python's idea.

A map of the package, in the order in which a request goes through it:

- `application`: what a server holds; `under_wsgi`, `under_asgi`: the
  two protocols; `request`: what is known of a request, whichever it came by
- `service`: the flow of a request; `running`: where functions run
- `places`: from a path to a file; `pages`, `definitions`: from a file to a live module, and what
  its source defines; `names`: from there to a function
- `guards`: who may see it
- `forms`, `arguments`, `conversions`: with what it is called
- `answers`, `templates`, `plain`: what becomes of what it returns; `refusals`: what a visitor gets
  instead
"""

from transfuse.publishing.answers import Response
from transfuse.publishing.application import Publisher
from transfuse.publishing.request import Request, Upload

__all__ = ["Publisher", "Request", "Response", "Upload"]
