"""P15: each kind of change that cannot be made in a running process, and what then serves it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers.handover_load import Load
from support.serving import WSGI, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.servers

SOURCE = r"""
#include <Python.h>
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "fast", NULL, 0, NULL}};
PyMODINIT_FUNC PyInit_fast(void)
{{
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddIntConstant(made, "NUMBER", {0}) < 0) {{
        Py_DECREF(made);
        return NULL;
    }}
    return made;
}}
"""
FAST = f"{WSGI}\nimport fast\ndef shown(): return {{'value': fast.NUMBER}}\n"
STORK = f"{WSGI}\nimport stork\ndef shown(): return {{'value': stork.NUMBER}}\n"
MODELS = """
from django.db import models

class Book(models.Model):
    title = models.CharField(max_length={0})
"""
# Shows how long a title may be, by the model.
VIEWS = """
import json, os
from django.http import HttpResponse
from books.models import Book

def home(request):
    length = Book._meta.get_field("title").max_length
    return HttpResponse(json.dumps({"pid": os.getpid(), "value": length}))
"""
URLS = (
    "from django.urls import path\nfrom books import views\nurlpatterns = [path('', views.home)]\n"
)
SETTINGS = """
SECRET_KEY, ALLOWED_HOSTS, INSTALLED_APPS, ROOT_URLCONF = "x", ["*"], ["books"], "books.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
APPLICATION = """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
app = get_wsgi_application()
"""


@pytest.fixture
def project(tmp_path: Path, runtime: Path) -> Iterator[Project]:
    project = Project(tmp_path, runtime)
    yield project
    project.end()


def served_by_others(project: Project, change: Callable[[], object]) -> None:
    """A change leads to fresh processes that serve it, and no request is lost."""
    before = project.ask()
    assert before["value"] == 1
    with Load(project.port, rate=60, idle=10, slow="/") as load:
        change()
        after = project.until_answered(value=2)
    assert after["pid"] != before["pid"]
    assert not load.count.lost, (load.count.why, project.log)


def build(project: Project, number: int) -> None:
    """Build the compiled module, and put it in place at one instant."""
    folder = project.folder / "site"
    source, beside = project.folder / "fast.c", project.folder / "fast.so"
    source.write_text(SOURCE.format(number))
    include = sysconfig.get_paths()["include"]
    flags = ["-shared", "-fPIC", f"-I{include}", str(source), "-o", str(beside)]
    subprocess.run(["cc", *flags], check=True)
    beside.replace(folder / f"fast{sysconfig.get_config_var('EXT_SUFFIX')}")


def test_p15_a_compiled_module_that_is_built_is_served(project: Project) -> None:
    build(project, 1)
    project.save({"web.py": FAST})
    project.serve()
    served_by_others(project, lambda: build(project, 2))


def test_p15_a_model_of_django_that_changes_is_served(project: Project) -> None:
    books = project.folder / "site" / "books"
    books.mkdir()
    (books / "__init__.py").write_text("")
    project.save({"web.py": APPLICATION, "settings.py": SETTINGS, "books/urls.py": URLS})
    project.save({"books/models.py": MODELS.format(1), "books/views.py": VIEWS})
    project.serve()
    served_by_others(project, lambda: project.save({"books/models.py": MODELS.format(2)}))


class Packages:
    """An environment of its own, into which pip installs a package."""

    def __init__(self, project: Project) -> None:
        self._folder = project.folder / "environment"
        venv.EnvBuilder(with_pip=False, symlinks=True).create(self._folder)
        self.python = str(self._folder / "bin" / "python")
        paths = {"base": str(self._folder), "platbase": str(self._folder)}
        packages = Path(sysconfig.get_path("purelib", "venv", vars=paths))
        # All else is taken from the environment of this test.
        others = [path for path in sys.path if path]
        (packages / "others.pth").write_text("".join(f"{path}\n" for path in others))

    def install(self, name: str, number: int) -> None:
        """Install a version that has this number, as a person does."""
        version = f"{number}.0"
        wheel = self._folder / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(f"{name}.py", f"NUMBER = {number}\n")
            file.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
            file.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            rows = [f"{name}.py,,", f"{info}/METADATA,,", f"{info}/WHEEL,,", f"{info}/RECORD,,"]
            file.writestr(f"{info}/RECORD", "\n".join(rows) + "\n")
        options = ["--quiet", "--no-index", "--no-deps", "--no-compile"]
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, "install", *options, str(wheel)],
            check=True,
        )


def test_p15_a_package_that_pip_has_installed_is_served(project: Project) -> None:
    packages = Packages(project)
    packages.install("stork", 1)
    project.python = packages.python
    project.save({"web.py": STORK})
    project.serve()
    served_by_others(project, lambda: packages.install("stork", 2))
    assert "stork 2.0 was installed in place of 1.0, and is in use here" in project.log


def test_p15_fresh_processes_run_the_interpreter_that_is_installed_now(project: Project) -> None:
    """It is another one where Python was upgraded in its place."""
    python = Path(Packages(project).python)
    project.python = str(python)
    shown = "def shown(): return {'value': os.environ.get('UPGRADED')}\n"
    project.save({"web.py": WSGI + shown})
    project.serve("--workers", "2")
    assert project.ask()["value"] is None
    former = python.rename(python.with_name("python-former"))
    python.write_text(f'#!/bin/sh\nUPGRADED=yes exec "{former}" "$@"\n')
    python.chmod(0o755)
    code, out = project.type("handover")
    assert code == 0, out
    assert all(project.ask()["value"] == "yes" for _ in range(10))


def test_p15_it_is_told_with_the_command_where_a_person_wants_to_be_asked(
    project: Project,
) -> None:
    packages = Packages(project)
    packages.install("stork", 1)
    project.python = packages.python
    project.save({"web.py": STORK})
    project.serve("--handover", "ask")
    before = project.ask()
    packages.install("stork", 2)
    project.until_logged(
        "stork 2.0 was installed in place of 1.0, and is in use here:"
        " transfuse handover serves from fresh processes, and loses no request"
    )
    assert project.ask() == before
    _, out = project.type("status")
    assert "stork (package: stork 2.0 was installed in place of 1.0" in out
    code, out = project.type("handover")
    assert (code, project.ask()["value"]) == (0, 2), out


def test_p15_what_failed_because_a_package_was_missing_is_tried_when_it_is_installed(
    project: Project,
) -> None:
    packages = Packages(project)
    project.python = packages.python
    project.save({"web.py": WSGI + "def shown(): return {'value': 1}\n"})
    project.serve()
    before = project.ask()
    project.save({"web.py": STORK})
    project.until_logged("No module named 'stork'")
    packages.install("stork", 2)
    # In place: nothing that this process has loaded is another.
    assert project.until_answered(value=2)["pid"] == before["pid"]


def test_p15_another_list_of_packages_waits_until_they_are_installed(project: Project) -> None:
    packages = Packages(project)
    required = project.folder / "requirements.txt"
    required.write_text("")
    project.python = packages.python
    project.save({"web.py": WSGI + "def shown(): return {'value': 1}\n"})
    project.serve()
    before = project.ask()
    required.write_text("stork\n")
    project.until_logged("when the packages are installed: fresh processes take over")
    assert project.ask() == before
    packages.install("stork", 1)
    project.until_logged("stork 1.0 was installed, as is asked for: handing over")
    project.until("another process", lambda: project.ask()["pid"] != before["pid"])


# Runs for so long in a process in which it has run before.
SLOW = """
import sys, time
if getattr(sys, "_ran_before", False):
    time.sleep({seconds})
sys._ran_before = True
NUMBER = {number}
"""
SLOWLY = f"{WSGI}\nimport slow\ndef shown(): return {{'value': slow.NUMBER}}\n"


def test_p15_what_takes_longer_in_place_than_fresh_processes_do_is_left_to_them(
    project: Project,
) -> None:
    project.save({"web.py": SLOWLY, "slow.py": SLOW.format(number=1, seconds=5)})
    project.serve()
    before = project.ask()["pid"]
    # How long it takes is not known before it was done.
    project.save({"slow.py": SLOW.format(number=2, seconds=5)})
    assert project.until_answered(value=2)["pid"] == before
    project.save({"slow.py": SLOW.format(number=3, seconds=5)})
    assert project.until_answered(value=3)["pid"] != before
    assert "that would run took 5.0 s the last time, and a fresh process takes" in project.log


def test_p15_not_where_it_is_asked_for_or_something_would_be_lost(project: Project) -> None:
    project.save({"web.py": SLOWLY, "slow.py": SLOW.format(number=1, seconds=3)})
    project.serve("--handover", "ask")
    before = project.ask()["pid"]
    for number in (2, 3):
        project.save({"slow.py": SLOW.format(number=number, seconds=3)})
        assert project.until_answered(value=number)["pid"] == before
    assert "transfuse handover serves from fresh processes" in project.log
