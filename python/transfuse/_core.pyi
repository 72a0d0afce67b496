"""The compiled core, for the package; users call the package."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeVar, final

from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = [
    "HeldOutside",
    "Pin",
    "ReferrerIndex",
    "ServedStore",
    "WsgiApplication",
    "accept",
    "adopt",
    "answering",
    "carried",
    "configure",
    "counted_protocol",
    "counted_send",
    "differing",
    "digest",
    "executing",
    "executions",
    "file_content",
    "file_digest",
    "follow",
    "foreign_holders",
    "former_modules",
    "handler_made",
    "heap",
    "held_outside",
    "history",
    "hold",
    "import_module",
    "import_name",
    "import_path",
    "install",
    "installed",
    "is_answering",
    "is_former",
    "is_shut_down",
    "keep_folder",
    "leading_to",
    "let_go",
    "limited",
    "loaded",
    "mark_shut_down",
    "module_of_globals",
    "number_from",
    "offer",
    "once",
    "other_files",
    "plan",
    "protect",
    "read_project",
    "referrers",
    "release",
    "request_counts",
    "retry",
    "rollback",
    "run_offered",
    "set_aside",
    "status",
    "uninstall",
    "units_under_way",
    "update",
    "view",
    "wanted_changes",
    "wanted_view",
]

_T = TypeVar("_T")
_Send = Callable[[Any], Awaitable[None]]

@final
class Pin:
    """A unit of work tied to one generation, until `end` is called."""

    def __new__(cls, what: str | None = None) -> Pin:
        """Take the generation of the enclosing unit of work, else the current one.

        `what` is the name of the unit of work in `status`.
        """

    @property
    def generation(self) -> int:
        """The number of the generation it is tied to."""

    def __enter__(self) -> Pin: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    def resume(self) -> None:
        """Make the running context see this pin."""

    def suspend(self) -> None:
        """Undo the last `resume`, in the same context. RuntimeError if there was none."""

    def begin_request(self) -> None:
        """Count it as a request of its generation."""

    def failed(self) -> None:
        """Count the request as failed, if it is counted."""

    def end(self) -> None:
        """End the unit of work. Calling it again does nothing."""

def install(
    *,
    roots: Sequence[str],
    include: Sequence[str],
    exclude: Sequence[str],
    gitignore: bool,
    watch: bool,
    poll: float | None,
    policy: str,
    modules: Sequence[tuple[str, str | None, Sequence[str], str | None]],
    keep: int,
    keep_deleted: bool,
    store: int,
    resident: int,
    time_limit: float,
    report: Callable[[Mapping[str, Any]], None],
    stages: Callable[[str, int], None],
    project: Sequence[str],
    reconsider: Callable[[bool], Mapping[str, Any]],
    contents: dict[str, bytes | None],
    aside: Sequence[str],
    waiting: Sequence[tuple[str, str, str, str | None]],
    first: int,
    last: tuple[str, str, int | None] | None,
) -> Mapping[str, Any] | None:
    """Make the roots live. `report` is called in the updating thread, with a dict.

    `stages` is called there with how far an update is (``"staged"`` or ``"going back"``, then
    ``"published"`` or ``"abandoned"``) and the number of the staged generation. An exception for a
    staged one refuses the update.

    `contents` replaces the content of files on disk (None: the file is not there); that of the
    files `aside` is set aside. `waiting` has the changes that wait in other workers for a restart:
    name, code, reason and file. `first` is the number of the first generation.

    `last` is the folder of the last served state, and the choice between it and the files on disk.
    The result describes that state and the choice for each file.

    `reconsider` is called there when one of the files `project` has changed.
    """

@final
class ServedStore:
    """The folder that keeps the served state."""

    def __new__(cls, folder: str, limit: int) -> ServedStore:
        """Open it; `limit` is in bytes."""

    def write(self) -> None:
        """Write the current served state. OSError if that is impossible."""

def retry() -> None:
    """Try the edits that were refused before this process started. The program is loaded now."""

def configure(
    *,
    policy: str,
    modules: Sequence[tuple[str, str | None, Sequence[str], str | None]],
    keep: int,
    keep_deleted: bool,
    watch: bool,
    resident: int,
    time_limit: float,
) -> None:
    """Apply these settings from now on. Modules that were run already stay as they are."""

def executing() -> dict[str, Any] | None:
    """The namespace of the live module whose source this thread is executing, if there is one."""

def handler_made(handler: object) -> bool:
    """Take a handler of `logging` for one of the module whose source this thread is executing.

    Returns: whether there is one.
    """

def module_of_globals(globals: dict[str, Any]) -> ModuleType | None:
    """The live module whose namespace this is, if it is one."""

def is_answering(namespace: dict[str, Any]) -> bool:
    """Whether the generation that answers the calling code has the execution with this namespace.

    Always true of a namespace that is not a live module's.
    """

def is_former(namespace: dict[str, Any]) -> bool:
    """Whether no generation has the execution with this namespace any more."""

def uninstall() -> None:
    """Take Transfuse out of the process. Live modules stay as the ordinary modules they are."""

def installed() -> bool:
    """Whether Transfuse is installed."""

def import_module(name: str | os.PathLike[str]) -> ModuleType:
    """Return a module of the caller's generation, loading it if need be.

    Args:
        name: a dotted name (``"shop.prices"``), or a file: a path object, or a string that has a
            separator in it or ends in ``.py``. Two files of one name in two directories are two
            modules.

    Raises:
        ImportError: there is no such module.
        BaseException: the module raises it while it is loaded.
    """

def import_name(name: str) -> ModuleType:
    """The same for a dotted name, if Transfuse is installed."""

def import_path(path: str) -> ModuleType:
    """The same for a file; ImportError if it lies under no root."""

def once(scope: str, key: str, make: Callable[[], _T]) -> _T:
    """The value that `make` returned when `key` was first asked for in the module `scope`."""

def file_digest(path: str) -> str | None:
    """The digest of a file in the caller's generation, empty if it does not exist there.

    None for a file that generations do not know.
    """

def digest(content: bytes) -> str:
    """The digest of any content, 32 hexadecimal digits."""

def file_content(path: str) -> tuple[str, bytes] | None:
    """What `file_digest` returns, and the content. ContentGone if that was not kept."""

def keep_folder(path: str) -> None:
    """Make the files of a folder of templates part of the generations in use."""

def answering() -> tuple[int, list[str]]:
    """The number of the generation that answers the caller, and the modules that ran for it.

    The list is empty unless that generation is being staged.

    Raises:
        NotInstalledError: Transfuse is not installed.
    """

def update(timeout: float | None = None) -> dict[str, Any]:
    """Compare with the files now, and update. TimeoutError after `timeout` seconds."""

def hold(seconds: float) -> int:
    """Make no update by itself until `release`, or for that many seconds. Returns its number."""

def release(number: int | None = None) -> int:
    """End that hold, or all. Returns how many there were."""

def accept(paths: Sequence[str] | None = None) -> dict[str, Any]:
    """Update, also to what is set aside of these files; None: of all."""

def follow(paths: Sequence[str]) -> dict[str, Any]:
    """The same because another worker has found that these files have changed."""

def rollback(
    generation: int | None = None, *, dry_run: bool = False, only_from: int | None = None
) -> dict[str, Any]:
    """Make a kept generation's content current.

    GenerationError if it is not kept or is the current one, or if `only_from` is not the current
    one.
    """

def protect(generation: int | None) -> None:
    """Keep this generation independently of `keep`, and no other one in this way."""

def counted_send(pin: Pin, send: _Send) -> _Send:
    """The `send` that notes the status; the same one if `pin` counts no request."""

def counted_protocol(pin: Pin, protocol: Any) -> Any:
    """The same for the protocol object of RSGI."""

def request_counts() -> list[tuple[int, int, int, int]]:
    """Number, requests begun, answered and failed of each generation that code can run in."""

def history() -> tuple[list[dict[str, Any]], list[int], int]:
    """The last updates, the generations that can be gone back to, and the current one."""

def set_aside() -> list[Path]:
    """The files whose content on disk is set aside."""

def mark_shut_down(module: str, is_it: Callable[[ModuleType], bool]) -> None:
    """Note that the application of those executions of a module was shut down for which `is_it`."""

def is_shut_down(module: str) -> bool:
    """Whether that is so of the execution in the pinned generation."""

def view() -> tuple[int, str]:
    """The number of the current generation, and the fingerprint of its source."""

def wanted_view() -> str | None:
    """The fingerprint of what the update under way would serve, while others are asked."""

def wanted_changes() -> tuple[list[Path], tuple[int, float | None] | None]:
    """The files that the update under way changes, and the rollback that it is, or None.

    A rollback is the number of the generation that it goes back to, and when that was first served.
    """

def other_files(paths: Sequence[str], *, wanted: bool = False) -> dict[Path, tuple[str, str]]:
    """Return the digests of files other than source, each with its kind.

    The kind is ``"served"`` (code reads it by generation), ``"data"``, or ``"existence"`` (only
    that counts). Source, and files that are not known, are left out.

    Args:
        paths: the files.
        wanted: rather as the update under way would have them.
    """

def differing(*, wanted: bool = False, of: int | None = None) -> dict[Path, bytes | None]:
    """The served contents of files that differ on disk.

    Args:
        wanted: rather those that the update under way would serve.
        of: rather those of this kept generation.
    """

def adopt(
    contents: dict[str, bytes | None],
    aside: Sequence[str],
    back: tuple[int, float | None] | None,
    others: Mapping[str, str],
) -> dict[str, Any]:
    """Serve these contents instead of the files on disk. The result is that of an update.

    Args:
        contents: file to content; None: it is not there.
        aside: the files whose content on disk is set aside.
        back: the rollback of another worker that it is, as in `wanted_changes`.
        others: of a rollback, the digests of files that are no source, by file.
    """

def number_from(least: int) -> None:
    """Give the next generation this number, or a higher one."""

def plan() -> dict[str, Any]:
    """What an update would do now."""

def read_project() -> None:
    """Read the project's files, which may have changed since the settings were read."""

def status() -> dict[str, Any]:
    """The state: served, kept, draining and failing."""

def executions(name: str, *, lingering: bool) -> list[ModuleType]:
    """All executions of a live module that a generation has, in no order.

    Args:
        name: the module's.
        lingering: also those that no generation has, and that are still in memory.
    """

def offer(thread: int, call: Callable[[], object]) -> None:
    """Offer a call to a thread, by its `threading.get_ident`. What it raises is logged."""

def run_offered() -> None:
    """Run the work of an update that is offered to this thread."""

def former_modules() -> list[ModuleType]:
    """The modules that no generation has any more, and that are still in memory."""

def heap() -> list[Any]:
    """All objects that the collector lists, in a list that it does not list."""

def let_go(heap: list[Any]) -> None:
    """Empty such a list, in slices that let other threads run."""

@final
class ReferrerIndex:
    """Which objects of a heap refer to which, as of one pass over it.

    Attributes:
        complete: whether the whole heap was seen.
    """

    @property
    def complete(self) -> bool: ...
    def __new__(cls, heap: list[Any], seconds: float) -> ReferrerIndex:
        """Make the index.

        Args:
            heap: the objects, as `heap` lists them.
            seconds: the longest that it may take.
        """

    def referrers(self, targets: list[Any]) -> tuple[list[Any], list[int]]:
        """Return the objects that refer to targets, and for each the index of one target.

        An object that refers to several targets is there as often.
        """

@final
class HeldOutside:
    """What executions made and something beside them holds, and where to search for the holders.

    Attributes:
        objects: what the executions made and others hold. A namespace stands for functions that
            only others hold. A weak reference to such an object is one of them.
        inside: ids of all objects that only the executions hold.
        edge: objects with references that are not accounted for: made by the executions, or
            wrappers that lead to such objects.
        wrappers: for each of these, how many wrappers lie between it and the nearest that the
            executions made.
        containers: those that are followed and lead to what the executions made.
        complete: whether references were followed from all objects that they lead to.
        attributes: whether foreign modules or classes have attributes that lead to them.
    """

    @property
    def objects(self) -> list[Any]: ...
    @property
    def inside(self) -> set[int]: ...
    @property
    def edge(self) -> list[Any]: ...
    @property
    def wrappers(self) -> list[int]: ...
    @property
    def containers(self) -> list[Any]: ...
    @property
    def complete(self) -> bool: ...
    @property
    def attributes(self) -> bool: ...
    def __len__(self) -> int:
        """Return how many objects references were followed to."""

    def follows(self, id: int) -> bool:
        """Return whether references were followed from the object of this id."""

def held_outside(
    seeds: list[Any],
    names: set[int],
    classes: set[int],
    passes_by: Callable[[type], bool],
    beside: HeldOutside | None = None,
    holders: list[Any] | None = None,
) -> HeldOutside:
    """Count references, to find the objects that executions made and that are held from outside.

    Args:
        seeds: objects whose references are known: the modules of the executions, for one.
        names: ids of the namespaces that the executions made.
        classes: ids of their classes.
        passes_by: whether references from the instances of a type do not count.
        beside: an earlier answer, whose own references do not count.
        holders: foreign modules, classes and caches that may hold such objects without being
            registries.
    """

def foreign_holders(objects: list[Any], names: set[int], modules: list[ModuleType]) -> list[Any]:
    """Find the foreign modules, their classes and caches that refer to objects of executions.

    Args:
        objects: what is looked for.
        names: ids of the namespaces that the executions made.
        modules: the modules of these.
    """

def leading_to(containers: list[Any], names: set[int], classes: set[int]) -> list[Any]:
    """Return the containers that lead to an object of executions.

    Args:
        containers: dicts, lists, sets and deques.
        names: ids of the namespaces that the executions made.
        classes: ids of their classes.
    """

def referrers(
    heap: list[Any], targets: list[Any], seconds: float
) -> tuple[list[tuple[Any, int]], bool]:
    """Find the objects in `heap` that refer to targets, in slices that let other threads run.

    Returns:
        Each such object with the index of a target that it refers to, and whether all of `heap` was
        seen within `seconds`.
    """

def limited(call: Callable[..., _T], *args: Any) -> _T:
    """Call something under the setting `time_limit`. TimeLimitExceeded is raised in it."""

def carried() -> tuple[list[tuple[str, str]], list[tuple[str, list[str]]]]:
    """Return what a fresh process would start without.

    Returns:
        The module and key of each value of `once`, and loaded modules with their preserved names.
    """

def loaded() -> list[tuple[str, Path, str]]:
    """The modules that the current generation has loaded, each with its file and its digest."""

def units_under_way() -> int:
    """Return how many units of work are under way in this process, of whichever generation."""

@final
class WsgiApplication:
    """What `transfuse.wsgi` returns.

    Args:
        module, names: the target's module and the attributes below it.
        resolve: finds the target, or says what is wrong.
    """

    def __new__(
        cls, module: str, names: Sequence[str], resolve: Callable[[], WSGIApplication]
    ) -> WsgiApplication: ...
    def wrap_start_response(self, wrap: Callable[[StartResponse], StartResponse]) -> None:
        """Have requests from now on call `wrap(start_response)`; the first `wrap` stays."""

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse, /
    ) -> Iterable[bytes]: ...
