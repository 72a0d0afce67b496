"""A folder of modules as a web site: a URL per function, mod_python's idea.

A map of the package, in the order in which a request goes through it:

- `publisher`: the public function; `application`: the object that a server holds; `under_wsgi`,
  `under_asgi`: the two protocols; `request`: the request, whichever protocol it came by
- `service`: the flow of a request; `executor`, `stream_steps`: where functions run and streams are
  iterated; `contain_exit`: exceptions of a page that must not reach the server
- `paths`: from a URL path to folders and a file; `packages`: the packages of those folders;
  `pages`, `defined_names`: from a file to a live module, and the names that its source defines;
  `file_origins`: where that source lay; `traversal`: from there to a function
- `guards`, `nested_guards`, `credentials`: access control
- `body_limits`, `form_parsing`, `urlencoded`, `header_parameters`, `json_bodies`: the submitted
  data; `arguments`, `converters`: the arguments of the call
- `responses`, `reflected_input`, `templates`, `json_encoding`: from a return value to a response;
  `http_errors`: error responses; `describe_location`: for authors, where an object is defined

The names below are loaded on first use: `transfuse` imports `publisher`, and a program that only
has live modules needs none of the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfuse.publishing.application import Publisher
    from transfuse.publishing.request import Request, Upload
    from transfuse.publishing.responses import Response

__all__ = ["Publisher", "Request", "Response", "Upload"]

_HOMES = {"Publisher": "application", "Response": "responses"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'request')}"), name)
