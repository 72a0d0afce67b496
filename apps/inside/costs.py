"""How much CPU does a plain process need to execute each module, without the ones it imports?"""

from __future__ import annotations

import time
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def trace(root: str) -> dict[str, float]:
    """Measure each module below `root` that is executed from now on.

    Returns:
        Module name -> seconds of CPU, compilation included; filled while modules are executed.
    """
    found: dict[str, float] = {}
    # Seconds of the modules that each module under execution has imported, innermost last.
    nested: list[float] = []
    execute = SourceFileLoader.exec_module

    def timed(self: SourceFileLoader, module: ModuleType) -> None:
        nested.append(0.0)
        begun = time.process_time()
        try:
            execute(self, module)
        finally:
            spent = time.process_time() - begun
            own = spent - nested.pop()
            if nested:
                nested[-1] += spent
            if str(module.__file__).startswith(f"{root}/"):
                found[module.__name__] = own

    SourceFileLoader.exec_module = timed  # type: ignore[assignment,method-assign]
    return found
