"""Code that finds classes by their base class gets those of its own generation."""

from __future__ import annotations

import gc
import threading

import pytest

import transfuse
from conftest import LiveTree, ran

BASES = {
    "by name": """
        class Plugin: ...
        def find():
            return sorted(each.name for each in Plugin.__subclasses__())
        """,
    "by a class method": """
        import abc
        class Plugin(abc.ABC):
            @classmethod
            def all(cls):
                for each in cls.__subclasses__():
                    yield each.name
                    yield from each.all()
        def find():
            return sorted(Plugin.all())
        """,
    "by a function for any class": """
        from listing import below
        class Plugin: ...
        def find():
            return sorted(each.name for each in below(Plugin))
        """,
    "by a metaclass": """
        class Meta(type):
            def all(cls):
                return [each.name for each in cls.__subclasses__()]
        class Plugin(metaclass=Meta): ...
        def find():
            return sorted(Plugin.all())
        """,
}
LISTING = """
    def below(kind):
        for each in kind.__subclasses__():
            yield each
            yield from below(each)
    """


def files(base: str) -> dict[str, str]:
    return {
        "listing.py": LISTING,
        "base.py": base,
        "pdf.py": "from base import Plugin\nclass Pdf(Plugin):\n    name = 'pdf 1'\n",
        "csv_.py": "from base import Plugin\nclass Csv(Plugin):\n    name = 'csv'\n",
        "app.py": "import base, csv_, pdf\nTABLE = base.find()\n",
    }


def pdf(number: int, more: str = "") -> dict[str, str]:
    text = f"from base import Plugin\nclass Pdf(Plugin):\n    name = 'pdf {number}'\n"
    return {"pdf.py": text + more}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_p5_subclasses_after_edits(tree: LiveTree, policy: str, base: str) -> None:
    tree.write(files(base))
    tree.install(policy=policy)
    app = tree.module("app")
    assert app.TABLE == app.base.find() == ["csv", "pdf 1"]
    for number in (2, 3, 4):
        tree.published(pdf(number))
        app = tree.module("app")
        assert app.TABLE == app.base.find() == ["csv", f"pdf {number}"]
    tree.delete("csv_.py")
    tree.published({"app.py": "import base, pdf\nTABLE = base.find()\n"})
    app = tree.module("app")
    assert app.TABLE == app.base.find() == ["pdf 4"]


# Ways to define a subclass without a name for it in the module.
UNNAMED = {
    "function": "def make(name):\n    class Pdf(Plugin): ...\n    Pdf.name = name\n    return Pdf\n"
    "kinds = [make('pdf @')]\n",
    "call": "kinds = {'pdf': type('Pdf', (Plugin,), {'name': 'pdf @'})}\n",
    "class": "class Outer:\n    class Pdf(Plugin):\n        name = 'pdf @'\n",
    "deleted": "class Pdf(Plugin):\n    name = 'pdf @'\nkinds = [Pdf]\ndel Pdf\n",
}


@pytest.mark.parametrize("pdf", UNNAMED.values(), ids=UNNAMED)
def test_p5_subclasses_that_have_no_name(tree: LiveTree, policy: str, pdf: str) -> None:
    text = "from base import Plugin\n" + pdf
    tree.write({**files(BASES["by name"]), "pdf.py": text.replace("@", "1")})
    tree.install(policy=policy)
    for number in (1, 2, 3):
        if number > 1:
            tree.published({"pdf.py": text.replace("@", str(number))})
        app = tree.module("app")
        assert app.TABLE == app.base.find() == ["csv", f"pdf {number}"]


# Ways to ask without naming the method.
ASKING = {
    "getattr": "getattr(Plugin, '__subclasses__')()",
    "computed": "getattr(Plugin, '__sub' + 'classes__')()",
    "caller": "operator.methodcaller('__subclasses__')(Plugin)",
    "text": "eval('Plugin.__subclasses__()')",
}


@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING)
def test_p5_subclasses_by_the_name_of_the_method(tree: LiveTree, policy: str, asking: str) -> None:
    find = f"def find():\n    return sorted(each.name for each in {asking})\n"
    tree.write(files("import operator\nclass Plugin: ...\n" + find))
    tree.install(policy=policy)
    assert tree.module("app").TABLE == ["csv", "pdf 1"]
    for number in (2, 3):
        tree.published(pdf(number))
        assert tree.module("app").TABLE == ["csv", f"pdf {number}"]


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_p4_subclasses_of_a_refused_update(tree: LiveTree, policy: str, base: str) -> None:
    tree.write(files(base))
    tree.install(policy=policy)
    tree.module("app")
    gc.disable()
    try:
        assert tree.update(pdf(2, "1 / 0\n")).outcome == "refused"
        assert tree.module("app").base.find() == ["csv", "pdf 1"]
    finally:
        gc.enable()


def test_p2_subclasses_while_they_are_staged(tree: LiveTree, policy: str) -> None:
    tree.write(files(BASES["by name"]))
    tree.install(policy=policy)
    tree.module("app")
    wait = "import threading\nthreading.staged.set()\nthreading.go_on.wait(20)\n"
    threading.staged, threading.go_on = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    update = threading.Thread(target=lambda: tree.update(pdf(2, wait)))
    update.start()
    try:
        assert threading.staged.wait(20)  # type: ignore[attr-defined]
        with transfuse.pin():
            assert tree.module("app").base.find() == ["csv", "pdf 1"]
    finally:
        threading.go_on.set()  # type: ignore[attr-defined]
        update.join()
    assert tree.module("app").base.find() == ["csv", "pdf 2"]


def test_p5_a_first_subclass(tree: LiveTree, policy: str) -> None:
    tree.write({**files(BASES["by name"]), "pdf.py": ""})
    tree.install(policy=policy)
    assert tree.module("app").TABLE == ["csv"]
    tree.published(pdf(1))
    app = tree.module("app")
    assert app.TABLE == app.base.find() == ["csv", "pdf 1"]


def test_p5_code_that_asks_for_the_first_time(tree: LiveTree, policy: str) -> None:
    tree.write({**files("class Plugin: ...\n"), "app.py": "import csv_, pdf\n"})
    tree.install(policy=policy)
    tree.module("app")
    for number in (2, 3):
        assert "base" not in ran(tree.published(pdf(number)))
    ask = "import base, csv_, pdf\nTABLE = [each.name for each in base.Plugin.__subclasses__()]\n"
    tree.published({"app.py": ask})
    assert tree.module("app").TABLE == ["csv", "pdf 3"]


def test_p12_subclasses_that_no_code_lists(tree: LiveTree, policy: str) -> None:
    tree.write({**files("class Plugin: ...\n"), "app.py": "import csv_, pdf\n"})
    tree.write({"other.py": "class Other: ...\ndef find():\n    return Other.__subclasses__()\n"})
    tree.install(policy=policy)
    tree.module("app")
    tree.module("other")
    assert ran(tree.published(pdf(2))) == ["pdf", "app"]


REGISTER = {
    "abstract base": (
        "import abc\nclass Plugin(abc.ABC): ...\n",
        "from base import Plugin\nclass Pdf: ...\nPlugin.register(Pdf)\n",
        "isinstance(pdf.Pdf(), base.Plugin) and len(base.Plugin.__subclasses__()) == 0",
    ),
    "single dispatch": (
        "import functools\n@functools.singledispatch\ndef show(value):\n    return 'no'\n",
        "from base import show\nclass Pdf: ...\n"
        "@show.register\ndef _(value: Pdf):\n    return 'pdf'\n",
        "base.show(pdf.Pdf()) == 'pdf' and len(base.show.registry) == 2",
    ),
    "weak set": (
        "import weakref\nkinds = weakref.WeakSet()\n",
        "from base import kinds\nclass Pdf: ...\nkinds.add(Pdf)\n",
        "list(base.kinds) == [pdf.Pdf]",
    ),
    "weak values": (
        "import weakref\nkinds = weakref.WeakValueDictionary()\n",
        "from base import kinds\nclass Pdf: ...\nkinds[Pdf.__module__ + str(id(Pdf))] = Pdf\n",
        "list(base.kinds.values()) == [pdf.Pdf]",
    ),
    "weak keys": (
        "import weakref\nkinds = weakref.WeakKeyDictionary()\n",
        "from base import kinds\nclass Pdf: ...\nkinds[Pdf] = 1\n",
        "list(base.kinds) == [pdf.Pdf]",
    ),
    "single dispatch on a base": (
        "import functools\nclass Doc: ...\n"
        "@functools.singledispatch\ndef show(value):\n    return 'no'\n"
        "@show.register\ndef _(value: Doc):\n    return 'doc'\n",
        "import base\nclass Pdf(base.Doc): ...\nbase.show.register(Pdf, lambda value: 'pdf')\n",
        "base.show(pdf.Pdf()) == 'pdf' and len(base.show.registry) == 3",
    ),
}


def test_p5_a_registration_that_comes_and_goes(tree: LiveTree, policy: str) -> None:
    plugin = "from base import Plugin\n@class Pdf: ...\n"
    tree.write({"base.py": "import abc\nclass Plugin(abc.ABC): ...\n"})
    tree.write({"pdf.py": plugin.replace("@", ""), "app.py": "import base, pdf\n"})
    tree.install(policy=policy)
    tree.module("app")
    for kind in (int, None, str, None):
        line = f"Plugin.register({kind.__name__})\n" if kind else ""
        tree.published({"pdf.py": plugin.replace("@", line)})
        base = tree.module("app").base.Plugin
        assert [each for each in (int, str) if issubclass(each, base)] == [kind] * bool(kind)


@pytest.mark.parametrize(("base", "plugin", "right"), REGISTER.values(), ids=REGISTER)
def test_p5_registered_classes(
    tree: LiveTree, policy: str, base: str, plugin: str, right: str
) -> None:
    check = f"import base, pdf\ndef check():\n    return {right}\n"
    tree.write({"base.py": base, "pdf.py": plugin, "app.py": check})
    tree.install(policy=policy)
    assert tree.module("app").check()
    old = tree.module("pdf").Pdf
    for number in (1, 2):
        tree.published({"pdf.py": f"{plugin}# {number}\n"})
        assert tree.module("app").check()
    if base.startswith("import abc"):
        assert not issubclass(old, tree.module("base").Plugin)


MAKES = {
    "type": "return type(name, (Plugin,), {'name': name})",
    "class statement": "class Made(Plugin): ...\n    Made.name = name\n    return Made",
}


@pytest.mark.parametrize("make", MAKES)
def test_p5_a_subclass_that_a_function_of_the_base_makes(
    tree: LiveTree, policy: str, make: str
) -> None:
    base = f"class Plugin: ...\ndef make(name):\n    {MAKES[make]}\n"
    find = "def find():\n    return sorted(each.name for each in Plugin.__subclasses__())\n"
    tree.write({"base.py": base + find, "pdf.py": "import base\nPdf = base.make('pdf 1')\n"})
    tree.write({"app.py": "import base, pdf\nTABLE = base.find()\n"})
    tree.install(policy=policy)
    assert tree.module("app").base.find() == ["pdf 1"]
    tree.published({"pdf.py": "import base\nPdf = base.make('pdf 2')\n"})
    assert tree.module("app").base.find() == tree.module("app").TABLE == ["pdf 2"]
    tree.published({"pdf.py": ""})
    assert tree.module("app").base.find() == []
