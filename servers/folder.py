"""What stands in the folder that is served, and how is it edited?

`serve.py` and `pyproject.toml` are all that a user writes for Transfuse.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.files import save

_SITE = Path(__file__).parent / "site"

SERVE = '''\
"""What every server is pointed at: ``serve:asgi`` or ``serve:wsgi``."""

import logging

import transfuse

logging.basicConfig(level=logging.INFO)
asgi = transfuse.asgi("web:asgi")
wsgi = transfuse.wsgi("web:wsgi")
rsgi = transfuse.rsgi("web:rsgi")
'''
PROJECT = """\
[tool.transfuse]
roots = ["site"]
"""


class Folder:
    """A copy of the site, and what serves it.

    Attributes:
        path: the folder; servers are started in it.
        edition: the edition that was saved last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.edition = 1
        shutil.copytree(_SITE, path / "site", ignore=shutil.ignore_patterns("__pycache__"))
        (path / "serve.py").write_text(SERVE)
        (path / "pyproject.toml").write_text(PROJECT)

    def edit(self, *, held: bool = True) -> int:
        """Save the next edition of both halves; return its number.

        Args:
            held: whether both are held open until both are written: Transfuse waits for that, and
                other reloaders, which do not, are spared.
        """
        before, self.edition = self.edition, self.edition + 1
        texts: dict[Path, str] = {}
        for name in ("leaf", "twin"):
            file = self.path / "site" / f"{name}.py"
            text = file.read_text()
            edited = text.replace(f"EDITION = {before}\n", f"EDITION = {self.edition}\n")
            assert edited != text, f"{file} has no edition {before}"
            texts[file] = edited
        for each in [texts] if held else [{file: text} for file, text in texts.items()]:
            save(each)
        return self.edition
