"""How does Django come to answer from the generation that a request is pinned to?

Django is foreign code that keeps live things for the life of the process, in two ways:

- URLs: one resolver for each URLconf, in a cache. That cache is replaced by one for each
  generation, so that a request on old code finds the old URLs, and the next one the new.
- settings, models, and registrations while `django.setup()` runs. They cannot exist twice, so
  their modules are held: a change of one waits for a restart, and is reported.

`attend` does both. `transfuse.wsgi` and `transfuse.asgi` call it; a program that serves nothing
(a Celery worker) calls it after `django.setup()`. Nothing here imports Django.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from transfuse.config.logs import get_logger
from transfuse.config.native import threading
from transfuse.frameworks import django_templates
from transfuse.frameworks.when_imported import replace
from transfuse.process import install
from transfuse.updates import api, participants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from transfuse.updates.reports import Report

_log = get_logger("transfuse")

# Under this name a URLconf keeps its resolver, and a resolver those of its namespaces.
_KEPT = "__transfuse_resolvers__"
# Settings that name live code by its path, and that Django looks up again each time, or keeps in
# what the entry module (`wsgi.py`) makes when it runs.
_LOOKED_UP = frozenset(
    {
        "ASGI_APPLICATION",
        "AUTHENTICATION_BACKENDS",
        "CSRF_FAILURE_VIEW",
        "MIDDLEWARE",
        "ROOT_URLCONF",
        "WSGI_APPLICATION",
    }
)

# The modules that are held, such as ("shop.models", "shop.settings"). Replaced whole, by the thread
# that updates and by those that make a template engine, under `_holding`.
_held: tuple[str, ...] = ()
_holding = threading.Lock()


def attend() -> None:
    """Have Django answer by generation, if it is in use; calling it again does no harm.

    Raises:
        BaseException: the URLconf raises it while it is loaded.
    """
    if getattr(sys.modules.get("django.apps"), "apps", None) is None or not _apps().ready:
        return
    _patch()
    _resolver_of_root()
    django_templates.keep_folders()
    _hold()
    participants.register(_django)
    _tell_once()


class _Django(participants.Participant):
    """Takes part in updates: URLs that cannot be loaded refuse one."""

    order = 5

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Load the URLs of the staged generation."""
        _resolver_of_root()

    def published(self, generation: int) -> None:  # noqa: ARG002
        """Hold the modules that have registered something since."""
        _hold()


_django = _Django()


def _apps() -> Any:
    return sys.modules["django.apps"].apps


def _resolver_of_root() -> None:
    settings = sys.modules["django.conf"].settings
    if getattr(settings, "ROOT_URLCONF", None):
        _ = sys.modules["django.urls.resolvers"].get_resolver().url_patterns


# URLs.


class _Cached:
    """Replaces a cached function of Django's; its results are kept by generation."""

    def __init__(self, find: Callable[..., Any], original: Any) -> None:
        self._find = find
        self.cache_clear = original.cache_clear
        self.__wrapped__ = original

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._find(self.__wrapped__, *arguments, **named)


def _patch() -> None:
    replaced: dict[str, Callable[..., Any]] = {
        "_get_cached_resolver": _resolver,
        "get_ns_resolver": _resolver_of_namespace,
        "get_callable": _callable,
    }
    for where in ("django.urls", "django.urls.base", "django.urls.resolvers", "django.urls.utils"):
        namespace = vars(import_module(where))
        for name, find in replaced.items():
            original = namespace.get(name)
            if original is not None and not isinstance(original, _Cached):
                namespace[name] = _Cached(find, original)
                install.on_uninstall(partial(_put_back, namespace, name, original))


def _put_back(namespace: dict[str, Any], name: str, original: Any) -> None:
    if isinstance(namespace[name], _Cached):
        original.cache_clear()
        namespace[name] = original


def _resolver(original: Any, urlconf: Any = None) -> Any:
    """One resolver for each run of the URLconf; it lives as long as that module does."""
    if not isinstance(urlconf, str) or not _is_live(module := import_module(urlconf)):
        return original(urlconf)
    # The namespace of the generation that asks, also when a facade stands for it.
    namespace = vars(module)
    patterns = namespace.get("urlpatterns")
    kept = namespace.get(_KEPT)
    # A value that was carried into new code belongs to the old patterns.
    if kept is None or kept[0] is not patterns:
        kept = namespace[_KEPT] = (patterns, original.__wrapped__(urlconf))
    return kept[1]


def _resolver_of_namespace(original: Any, pattern: str, resolver: Any, converters: Any) -> Any:
    kept = vars(resolver).setdefault(_KEPT, {})
    key = (pattern, converters)
    if key not in kept:
        kept[key] = original.__wrapped__(pattern, resolver, converters)
    return kept[key]


def _callable(original: Any, view: Any) -> Any:
    # Its name may be another function in another generation.
    return original.__wrapped__(view)


def _is_live(module: ModuleType) -> bool:
    return type(module).__module__ == "transfuse._core"


# Modules that cannot exist twice.


def adapt_engines() -> None:
    """Have a template engine's modules held when it is made, which the first rendering does."""
    replace(sys.modules["django.template.backends.django"].DjangoTemplates, "__init__", _engine)


def _engine(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
    original(self, *arguments, **named)
    if _told:
        _hold(self)


def _hold(made: Any = None) -> None:
    global _held  # noqa: PLW0603 - there is one Django in a process
    with _holding:
        names = set(_kept_modules(made))
        _held = tuple(sorted(name for name in names if _may_be_live(name)))
        install.require_restart(_held)


def _may_be_live(name: str) -> bool:
    module = sys.modules.get(name)
    return "." in name if module is None else _is_live(module)


def _kept_modules(made: Any = None) -> Iterator[str]:
    """Yield the modules of which Django keeps something, live ones and others.

    Args:
        made: a template engine that Django is about to keep, or None.
    """
    apps = _apps()
    settings = sys.modules["django.conf"].settings
    yield settings.SETTINGS_MODULE
    for key in dir(settings):
        if key.isupper() and key not in _LOOKED_UP:
            yield from _named(getattr(settings, key))
    for config in apps.get_app_configs():
        yield type(config).__module__
    for model in apps.get_models(include_auto_created=True, include_swapped=True):
        yield from (base.__module__ for base in model.__mro__)
    for site in getattr(sys.modules.get("django.contrib.admin.sites"), "all_sites", ()):
        yield from (type(admin).__module__ for admin in site._registry.values())
    for backend in [*sys.modules["django.template"].engines._engines.values(), made]:
        if (engine := getattr(backend, "engine", None)) is not None:
            for library in (*engine.template_libraries.values(), *engine.template_builtins):
                for function in (*library.tags.values(), *library.filters.values()):
                    yield getattr(function, "__module__", None) or ""
            yield from engine.libraries.values()
    yield from _receivers()


def _named(value: Any) -> Iterator[str]:
    """The modules that a setting names, by a path to them or to something in them."""
    if isinstance(value, str):
        yield value
        yield value.rpartition(".")[0]
    elif isinstance(value, dict):
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _named(each)


def _receivers() -> Iterator[str]:
    """Yield the modules of receivers of Django's signals: each run would connect them again."""
    kind = sys.modules["django.dispatch"].Signal
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "django":
            for signal in list(vars(module).values()):
                # `isinstance` would evaluate lazy objects, such as `django.contrib.admin.site`,
                # which raises where that application is not installed.
                if issubclass(type(signal), kind):
                    for _, reference, *_ in list(signal.receivers):
                        receiver = _referent(reference)
                        yield getattr(receiver, "__module__", None) or ""


def _referent(reference: Any) -> Any:
    return reference() if hasattr(reference, "__callback__") else reference


# A held module keeps the objects that it imported from others, so those are reported, too.

_told = False


def _tell_once() -> None:
    global _told  # noqa: PLW0603 - one subscription in a process
    if not _told:
        _told = True
        install.on_uninstall(api.on_update(_tell))
        install.on_uninstall(_tell_no_more)


def _tell_no_more() -> None:
    global _told  # noqa: PLW0603
    _told = False


def _tell(report: Report) -> None:
    ran = {each.name for each in report.ran} if report.outcome != "refused" else set()
    for name in _held if ran else ():
        stale = sorted(ran.intersection(_imports(name, ran)))
        if stale:
            _log.warning(
                "%s keeps what it took of %s when it was loaded: Django cannot load it twice;"
                " restart the server",
                name,
                ", ".join(stale),
            )


# Name of a held module -> the digest of its source, and the dotted names that it imports.
_KNOWN: dict[str, tuple[bytes, frozenset[str]]] = {}


def _imports(name: str, wanted: set[str]) -> frozenset[str]:
    """Return the dotted names that the source of a module imports, if one may be among `wanted`."""
    module = sys.modules.get(name)
    if module is None:
        return frozenset()
    try:
        with open(str(module.__file__), "rb") as source:
            text = source.read()
    except OSError:
        return frozenset()
    if not any(_may_be_imported(one, name, text) for one in wanted):
        return frozenset()
    digest = hashlib.sha256(text).digest()
    known = _KNOWN.get(name)
    if known is None or known[0] != digest:
        package = module.__spec__.parent if module.__spec__ else name.rpartition(".")[0]
        known = _KNOWN[name] = (digest, frozenset(_imported_by(text, package or "")))
    return known[1]


def _may_be_imported(wanted: str, by: str, text: bytes) -> bool:
    """Tell whether a source may import a module. Only a package around it need not be named."""
    last = wanted.rpartition(".")[2]
    return f"{by}.".startswith(f"{wanted}.") or not last.isascii() or last.encode() in text


def _imported_by(text: bytes, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{each.name}" for each in node.names)
