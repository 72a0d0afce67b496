"""The registries of real packages, for the tests in `test_affects_registries.py`.

As in `registry_kinds`: `registry.py` owns something of the package's, two plugins add to it.
"""

from __future__ import annotations

from registries import Registry

FLASK_PROBE = (
    "c = registry.app.test_client()\n"
    "    return {r.rule: c.get(r.rule).text for r in registry.app.url_map.iter_rules()\n"
    "        if 'static' not in r.rule}"
)
FASTAPI_PROBE = (
    "return [(r.path, sorted(r.methods), r.endpoint()) for r in registry.ROUTES()\n"
    "        if r.path not in ('/docs', '/redoc', '/openapi.json', '/docs/oauth2-redirect')]"
)
GET = "@router.get('/NAME')\ndef NAME(): return VALUE\n"

PACKAGES: dict[str, Registry] = {
    "flask": Registry(
        {"registry.py": "from flask import Flask\napp = Flask('shop')\n"},
        "from registry import app",
        "@app.get('/NAME')\ndef NAME(): return 'VALUE'\n",
        FLASK_PROBE,
    ),
    "flask error handlers and hooks": Registry(
        {"registry.py": "from flask import Flask\napp = Flask('shop')\n"},
        "from registry import app",
        "@app.template_filter('NAME')\ndef filter_NAME(x): return VALUE\n"
        "@app.before_request\ndef before_NAME(): return VALUE\n"
        "@app.context_processor\ndef context_NAME(): return {'NAME': VALUE}\n",
        "a = registry.app\n"
        "    return ([f() for f in a.before_request_funcs[None]],"
        " [f() for f in a.template_context_processors[None][1:]],"
        " {n: f(0) for n, f in a.jinja_env.filters.items() if f.__name__[:7] == 'filter_'})",
    ),
    "flask blueprint in a blueprint": Registry(
        {
            "pages.py": "from flask import Blueprint\npages = Blueprint('pages', __name__)\n",
            "site_parts.py": "from flask import Blueprint\nfrom pages import pages\n"
            "site = Blueprint('site', __name__, url_prefix='/site')\n",
            "registry.py": "from flask import Flask\napp = Flask('shop')\n",
        },
        "from pages import pages",
        "@pages.get('/NAME')\ndef NAME(): return 'VALUE'\n",
        FLASK_PROBE,
        after="from pages import pages\nfrom site_parts import site\nfrom registry import app\n"
        "site.register_blueprint(pages)\napp.register_blueprint(site)\n",
    ),
    "fastapi": Registry(
        {
            "registry.py": "from fastapi import FastAPI\nrouter = FastAPI()\n"
            "def ROUTES(): return router.routes\n"
        },
        "from registry import router",
        GET,
        FASTAPI_PROBE,
    ),
    "fastapi router": Registry(
        {
            "registry.py": "from fastapi import APIRouter\nrouter = APIRouter()\n"
            "def ROUTES(): return router.routes\n"
        },
        "from registry import router",
        GET,
        FASTAPI_PROBE,
    ),
    "fastapi router in a router in an application": Registry(
        {
            "registry.py": "from fastapi import APIRouter\nrouter = APIRouter(prefix='/in')\n",
            "api.py": "from fastapi import APIRouter, FastAPI\n"
            "api = APIRouter(prefix='/api')\nsite = FastAPI()\n",
        },
        "from registry import router",
        "@router.get('/NAME', summary='VALUE')\ndef NAME(): return VALUE\n",
        "return {path: each['get']['summary'] for path, each in "
        "api.site.openapi()['paths'].items()}",
        after="from registry import router\nfrom api import api, site\n"
        "api.include_router(router)\nsite.include_router(api)\n",
    ),
    "starlette": Registry(
        {
            "registry.py": "from starlette.applications import Starlette\n"
            "from starlette.routing import Route\napplication = Starlette()\n"
        },
        "from registry import application\nfrom starlette.routing import Route",
        "def NAME(request): return VALUE\napplication.router.routes.append(Route('/NAME', NAME))\n",
        "return [(r.path, r.endpoint(None)) for r in registry.application.routes]",
    ),
    "sqlalchemy": Registry(
        {
            "registry.py": "from sqlalchemy.orm import DeclarativeBase\n"
            "class Base(DeclarativeBase): pass\n",
            "owners.py": "from registry import Base\n"
            "from sqlalchemy.orm import Mapped, mapped_column\n"
            "class Owner(Base):\n    __tablename__ = 'owner'\n"
            "    id: Mapped[int] = mapped_column(primary_key=True)\n",
        },
        "from registry import Base\nimport owners\nfrom sqlalchemy import ForeignKey, String\n"
        "from sqlalchemy.orm import Mapped, mapped_column, relationship\n",
        "class NAME(Base):\n    __tablename__ = 'NAME'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    text: Mapped[str] = mapped_column(String(VALUE))\n"
        "    owner_id: Mapped[int] = mapped_column(ForeignKey('owner.id'))\n"
        "    owner: Mapped['Owner'] = relationship('Owner')\n",
        "from sqlalchemy.orm import configure_mappers\n    configure_mappers()\n"
        "    return [(str(m), m.c.text.type.length, m.relationships.owner.mapper.class_ is"
        " owners.Owner)\n            for m in sorted(registry.Base.registry.mappers, key=str)\n"
        "            if m.class_ is not owners.Owner], sorted(registry.Base.metadata.tables)",
    ),
    "sqlalchemy declarative_base": Registry(
        {"registry.py": "from sqlalchemy.orm import declarative_base\nBase = declarative_base()\n"},
        "from registry import Base\nfrom sqlalchemy import Column, Integer, String\n",
        "class NAME(Base):\n    __tablename__ = 'NAME'\n"
        "    id = Column(Integer, primary_key=True)\n    text = Column(String(VALUE))\n",
        "return {n: t.c.text.type.length for n, t in registry.Base.metadata.tables.items()}",
    ),
    "click": Registry(
        {"registry.py": "import click\n@click.group()\ndef main(): pass\n"},
        "from registry import main\nimport click",
        "@main.command()\n@click.option('--by', default=VALUE)\ndef NAME(by): return by\n",
        "return {name: command.params[0].default for name, command in "
        "registry.main.commands.items()}",
    ),
    "click group in a group": Registry(
        {
            "registry.py": "import click\n@click.group()\ndef main(): pass\n",
            "parts.py": "import click\nfrom registry import main\n"
            "@main.group()\ndef part(): pass\n",
        },
        "from parts import part\nimport click",
        "@part.command()\n@click.option('--by', default=VALUE)\ndef NAME(by): return by\n",
        "return {name: command.params[0].default for name, command in "
        "registry.main.commands['part'].commands.items()}",
    ),
    "blinker": Registry(
        {"registry.py": "from blinker import Signal\nready = Signal()\n"},
        "from registry import ready",
        "@ready.connect\ndef NAME(sender): return VALUE\n",
        "return sorted(answer for _, answer in registry.ready.send())",
    ),
    "blinker namespace": Registry(
        {"registry.py": "from blinker import Namespace\nsignals = Namespace()\n"},
        "from registry import signals",
        "@signals.signal('ready').connect\ndef NAME(sender): return VALUE\n",
        "return sorted(answer for _, answer in registry.signals.signal('ready').send())",
    ),
    "pluggy": Registry(
        {
            "registry.py": "import pluggy\nspec = pluggy.HookspecMarker('shop')\n"
            "hook = pluggy.HookimplMarker('shop')\n"
            "class Spec:\n    @spec\n    def price(self): ...\n"
            "manager = pluggy.PluginManager('shop')\nmanager.add_hookspecs(Spec)\n"
        },
        "from registry import hook, manager",
        "class NAME:\n    @hook\n    def price(self): return VALUE\nmanager.register(NAME())\n",
        "return registry.manager.hook.price()",
    ),
    "pluggy modules": Registry(
        {
            "registry.py": "import pluggy\nspec = pluggy.HookspecMarker('shop')\n"
            "hook = pluggy.HookimplMarker('shop')\n"
            "class Spec:\n    @spec\n    def prices(self): ...\n"
            "manager = pluggy.PluginManager('shop')\nmanager.add_hookspecs(Spec)\n"
        },
        "import sys\nfrom registry import hook, manager\nALL = []\n"
        "@hook\ndef prices(): return ALL\nmanager.register(sys.modules[__name__])\n",
        "ALL.append(VALUE)\n",
        "return registry.manager.hook.prices(), "
        "sorted(n for n, _ in registry.manager.list_name_plugin())",
    ),
    "celery-like": Registry(
        {
            "registry.py": "import functools\nclass Task:\n    def __init__(self, app, run):\n"
            "        self.app, self.run = app, run\n        functools.update_wrapper(self, run)\n"
            "    def __call__(self): return self.run()\n"
            "class Queue:\n    def __init__(self): self._tasks, self._pending = {}, []\n"
            "    def task(self, name=None, **options):\n        def made(run):\n"
            "            task = Task(self, run)\n            self._pending.append((name, task))\n"
            "            return task\n        return made\n"
            "    @property\n    def tasks(self):\n"
            "        while self._pending:\n            name, task = self._pending.pop()\n"
            "            self._tasks[name or task.__name__] = task\n        return self._tasks\n"
            "queue = Queue()\n"
        },
        "from registry import queue",
        "@queue.task()\ndef NAME(): return VALUE\n",
        "return sorted((name, task()) for name, task in registry.queue.tasks.items())",
    ),
}
