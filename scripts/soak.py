"""A short soak of the extension, for valgrind: see CONTRIBUTING.md."""

import gc
import sys
import tempfile
from pathlib import Path

import transfuse

root = Path(tempfile.mkdtemp(prefix="transfuse-soak-"))
WEB = "import conf\nclass Page:\n    number = conf.N\n# {}\n"
(root / "conf.py").write_text("N = 0\n")
(root / "web.py").write_text(WEB.format(0))
transfuse.install(roots=[root], watch=False, keep=1)
transfuse.import_module("web")
facade = sys.modules["web"]
for number in range(30):
    (root / "conf.py").write_text(f"N = {number}\n")
    transfuse.update().check()
    with transfuse.pin("soak"):
        assert facade.Page().number == number
        dir(facade), repr(facade), getattr(facade, "nothing", None)
    (root / "web.py").write_text("1/0\n")
    assert transfuse.update().outcome == "refused"
    (root / "web.py").write_text(WEB.format(number))
    transfuse.update().check()
    transfuse.plan(), transfuse.status()
transfuse.rollback()
transfuse.uninstall()
gc.collect()
print("soaked")
