"""The registries that the tests in `test_affects_registries.py` edit."""

from __future__ import annotations

from registries import Registry

CALLABLE = "def NAME(): return VALUE\n"
LISTED = "return {name: function() for name, function in registry.HANDLERS.items()}"
OWNER = {
    "registry.py": "HANDLERS = {}\ndef register(f):\n    HANDLERS[f.__name__] = f\n    return f\n"
}

KINDS: dict[str, Registry] = {
    "decorator": Registry(OWNER, "from registry import register", "@register\n" + CALLABLE, LISTED),
    "decorator of a module": Registry(
        OWNER, "import registry as r", "@r.register\n" + CALLABLE, LISTED
    ),
    "third module": Registry(
        {**OWNER, "tools.py": "import registry\ndef page(f): return registry.register(f)\n"},
        "from tools import page",
        "@page\n" + CALLABLE,
        LISTED,
    ),
    "deferred in a third module": Registry(
        {
            **OWNER,
            "tools.py": "def page(f):\n    import registry\n    return registry.register(f)\n",
        },
        "from tools import page",
        "@page\n" + CALLABLE,
        LISTED,
    ),
    "star import": Registry(OWNER, "from registry import *", "@register\n" + CALLABLE, LISTED),
    "package facade": Registry(
        {
            "kit/registry.py": OWNER["registry.py"],
            "kit/__init__.py": "from .registry import register\n",
            "registry.py": "from kit.registry import HANDLERS\n",
        },
        "from kit import register",
        "@register\n" + CALLABLE,
        LISTED,
    ),
    "base class": Registry(
        {
            "registry.py": "CLASSES = {}\nclass Base:\n"
            "    def __init_subclass__(cls, **given):\n        CLASSES[cls.__name__] = cls\n"
        },
        "from registry import Base",
        "class NAME(Base): value = VALUE\n",
        "return {name: c.value for name, c in registry.CLASSES.items()}",
    ),
    "subclass of a subclass": Registry(
        {
            "registry.py": "class Base:\n    kinds = []\n"
            "    def __init_subclass__(cls, **given):\n        Base.kinds.append(cls)\n",
            "middle.py": "from registry import Base\nclass Middle(Base): value = 0\n",
        },
        "from middle import Middle",
        "class NAME(Middle): value = VALUE\n",
        "return [(c.__name__, c.value) for c in registry.Base.kinds]",
    ),
    "metaclass": Registry(
        {
            "registry.py": "class Meta(type):\n    known = {}\n"
            "    def __new__(meta, name, bases, body):\n"
            "        made = super().__new__(meta, name, bases, body)\n"
            "        meta.known[name] = made\n        return made\n"
            "class Base(metaclass=Meta): value = 0\n"
        },
        "from registry import Base",
        "class NAME(Base): value = VALUE\n",
        "return {name: c.value for name, c in registry.Meta.known.items()}",
    ),
    "item": Registry(
        {"registry.py": "HANDLERS = {}\n"},
        "import registry",
        CALLABLE + "registry.HANDLERS['NAME'] = NAME\n",
        LISTED,
    ),
    "attribute": Registry(
        {"registry.py": "class Table: pass\ntable = Table()\n"},
        "from registry import table",
        CALLABLE + "table.NAME = NAME\n",
        "return {name: function() for name, function in vars(registry.table).items()}",
    ),
    "attribute of a class": Registry(
        {"registry.py": "class Table:\n    pass\n"},
        "from registry import Table",
        CALLABLE + "setattr(Table, 'on_NAME', staticmethod(NAME))\n",
        "return {n: f() for n in dir(registry.Table) if n[:3] == 'on_' "
        "for f in [getattr(registry.Table, n)]}",
    ),
    "dict of a class": Registry(
        {"registry.py": "class Registry:\n    handlers = {}\n"},
        "from registry import Registry",
        CALLABLE + "Registry.handlers['NAME'] = NAME\n",
        "return {name: function() for name, function in registry.Registry.handlers.items()}",
    ),
    "slots": Registry(
        {
            "registry.py": "class Root:\n    __slots__ = ['_table']\n"
            "class Registry(Root):\n    __slots__ = ()\n"
            "    def __init__(self): self._table = {}\n"
            "    def add(self, f): self._table[f.__name__] = f; return f\n"
            "registry = Registry()\n"
        },
        "from registry import registry",
        "@registry.add\n" + CALLABLE,
        "return {name: f() for name, f in registry.registry._table.items()}",
    ),
    "closure": Registry(
        {
            "registry.py": "def make():\n    table = {}\n"
            "    def add(f):\n        table[f.__name__] = f\n        return f\n"
            "    def found(): return table\n    return add, found\n"
            "add, found = make()\n"
        },
        "from registry import add",
        "@add\n" + CALLABLE,
        "return {name: f() for name, f in registry.found().items()}",
    ),
    "bound method": Registry(
        {"registry.py": "add = [].append\n"},
        "from registry import add",
        CALLABLE + "add(NAME)\n",
        "return [f() for f in registry.add.__self__]",
    ),
    "partial": Registry(
        {
            "registry.py": "from functools import partial\n"
            "def _put(table, f):\n    table[f.__name__] = f\n    return f\n"
            "add = partial(_put, {})\n"
        },
        "from registry import add",
        "@add\n" + CALLABLE,
        "return {name: f() for name, f in registry.add.args[0].items()}",
    ),
    "deque": Registry(
        {"registry.py": "from collections import deque\nLATEST = deque([None] * 8, maxlen=8)\n"},
        "from registry import LATEST",
        CALLABLE + "LATEST.append(NAME)\n",
        "return [f() for f in registry.LATEST if f]",
    ),
    "defaultdict": Registry(
        {"registry.py": "from collections import defaultdict\nHOOKS = defaultdict(list)\n"},
        "from registry import HOOKS",
        CALLABLE + "HOOKS['start'].append(NAME)\n",
        "return [f() for f in registry.HOOKS['start']]",
    ),
    "weak set": Registry(
        {"registry.py": "from weakref import WeakSet\nKNOWN = WeakSet()\n"},
        "from registry import KNOWN",
        CALLABLE + "KNOWN.add(NAME)\n",
        "return sorted(f() for f in registry.KNOWN)",
    ),
    "counter": Registry(
        {"registry.py": "count = 0.5\ndef tick(number):\n    global count\n    count += number\n"},
        "import registry",
        "registry.tick(VALUE)\n",
        "return registry.count",
    ),
    "deep": Registry(
        {
            "registry.py": "class App: pass\napp = App()\napp.router = App()\n"
            "app.router.core = App()\napp.router.core.table = App()\n"
            "app.router.core.table.rows = {'get': {'by': {'name': {}}}}\n"
            "def add(f):\n    app.router.core.table.rows['get']['by']['name'][f.__name__] = f\n"
            "    return f\n"
        },
        "from registry import add",
        "@add\n" + CALLABLE,
        "return {n: f() for n, f in "
        "registry.app.router.core.table.rows['get']['by']['name'].items()}",
    ),
    "large": Registry(
        {
            "registry.py": "class Row:\n    def __init__(self, n): self.n = [n]\n"
            "ROWS = [Row(n) for n in range(5000)]\nHANDLERS = {}\n"
            "def register(f):\n    HANDLERS[f.__name__] = f\n    return f\n"
        },
        "from registry import register",
        "@register\n" + CALLABLE,
        LISTED,
    ),
    "singledispatch": Registry(
        {
            "registry.py": "from functools import singledispatch\n"
            "@singledispatch\ndef show(x): ...\n"
        },
        "from registry import show",
        "class NAME: pass\n@show.register\ndef _(x: NAME): return VALUE\n",
        "return {t.__name__: f(None) for t, f in registry.show.registry.items()}",
    ),
    "import_module": Registry(
        OWNER,
        "import importlib\nregister = importlib.import_module('registry').register",
        "@register\n" + CALLABLE,
        LISTED,
    ),
}
