"""Which interface has an application that has to be imported to know? (In a process of its own.)

`python -m transfuse.cli.probe_interface TARGET ANSWER ROOT...` writes to the file ANSWER, as JSON,
either ``{"interface": "asgi"}`` or ``{"wrong": "one line"}``; a traceback goes to stderr.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from transfuse.config.settings import Settings
from transfuse.errors import TransfuseError
from transfuse.process.install import install_settings, uninstall
from transfuse.process.target import Target
from transfuse.servers.interface_check import is_factory, looks_like_a_factory, of_another_kind
from transfuse.source.tracebacks import headline, user_traceback

if TYPE_CHECKING:
    from collections.abc import Callable

_ASGI_PARAMETERS = 3


def interface_of(application: Callable[..., Any]) -> str | None:
    """Return ``"asgi"``, ``"wsgi"``, or None if it does not show."""
    call = application if inspect.isroutine(application) else type(application).__call__
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(call):
        return "asgi"
    try:
        parameters = inspect.signature(application).parameters.values()
    except (TypeError, ValueError):
        return None
    needed = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
    ]
    return {_ASGI_PARAMETERS: "asgi", 2: "wsgi"}.get(len(needed))


def answer(text: str, roots: list[str]) -> dict[str, str]:
    """Import the target and return the answer to write."""
    install_settings(Settings(roots=tuple(roots), watch=False))
    target = Target(text)
    try:
        application = target.resolve_callable()
        found = interface_of(application)
    except TransfuseError as error:
        return {"wrong": str(error)}
    except BaseException as error:
        print(user_traceback(error), end="", file=sys.stderr, flush=True)
        return {"wrong": f"{target.module} cannot be loaded: {headline(error)}"}
    finally:
        uninstall()
    if (other := of_another_kind(target, application)) is not None:
        return {"wrong": other}
    if found is None and is_factory(application):
        return {"wrong": looks_like_a_factory(target)}
    if found is None:
        return {"wrong": f"{text} does not show whether it is ASGI or WSGI; say --interface"}
    return {"interface": found}


def main() -> None:
    """Answer, and end at once: threads that the application has started do not count."""
    # Ctrl-C reaches this process too, and the other one says that it ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _, text, path, *roots = sys.argv
    said = answer(text, roots)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(said, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
