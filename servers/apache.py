"""How is Apache configured? As docs/apache.md says: the configurations are read off that page."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "apache.md"
# The user that serves where the tests run as root: Apache refuses to serve as root.
NOBODY = 65534


def command(mode: str, port: int, folder: Path, *, target: str = "web:wsgi") -> list[str]:
    """Write what Apache needs into a folder; return the command line that serves it.

    Args:
        mode: ``"Daemon mode"`` or ``"Embedded mode"``: the heading on the page.
        port: where to listen, on loopback.
        folder: where `site` is.
        target: what is served.

    Raises:
        RuntimeError: Apache or mod_wsgi is not installed; says how to install it.
    """
    apache, module = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin"), _module()
    if apache is None or module is None:
        raise RuntimeError("Apache or mod_wsgi is missing; scripts/install-apache installs both")
    text = PAGE.read_text(encoding="utf-8")
    script = _block(text, "The script", "python").replace("shop.web:app", target)
    (folder / "serve.wsgi").write_text(script)
    configuration = _block(text, mode, "apache")
    for written, here in (
        ("/srv/shop/.venv/mod_wsgi.so", str(module)),
        ("/srv/shop/.venv", sys.prefix),
        ("/srv/shop", str(folder)),
        ("127.0.0.1:8080", f"127.0.0.1:{port}"),
    ):
        configuration = configuration.replace(written, here)
    (folder / "apache.conf").write_text(configuration)
    # The user that Apache runs as reads and writes here.
    folder.chmod(0o777)
    log = folder / "server.log"
    log.touch()
    log.chmod(0o666)
    return [*_as_nobody(), apache, "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]


def _block(page: str, heading: str, language: str) -> str:
    found = re.search(
        rf"^## {heading}\n.*?^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"docs/apache.md has no {language} under {heading!r}"
    return found[1]


def _module() -> Path | None:
    folder = Path(sysconfig.get_path("platlib")) / "mod_wsgi" / "server"
    return next(folder.glob("mod_wsgi-py3*.so"), None)


def _as_nobody() -> list[str]:
    if os.geteuid() != 0:
        return []
    # It has to read this interpreter, which may be root's alone.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reading]
