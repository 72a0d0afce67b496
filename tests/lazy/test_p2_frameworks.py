"""P2: pydantic, FastAPI and attrs resolve annotations that mention lazy imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.lazy import needs_lazy_imports
from support.two_generations import old_and_new_find

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

TEA = "import pydantic\nclass Tea(pydantic.BaseModel):\n    price: int = @\n"
LAZY = "lazy from prices import Tea\n"
FASTAPI = "import fastapi\nfrom fastapi.testclient import TestClient\n" + LAZY
USES = {
    "model": "import pydantic\n" + LAZY + "class Pot(pydantic.BaseModel):\n    tea: Tea\n"
    "def ask(): return Pot(tea={}).tea.price",
    "model that is built late": "import pydantic\n"
    + LAZY
    + "class Pot(pydantic.BaseModel):\n    model_config = dict(defer_build=True)\n    tea: Tea\n"
    "def ask(): return Pot(tea={}).tea.price",
    "model of a function": "import pydantic\n" + LAZY + "def ask():\n"
    "    class Pot(pydantic.BaseModel):\n        tea: Tea\n    return Pot(tea={}).tea.price",
    "two models that name each other": "import pydantic\nlazy import prices\n"
    "class Pot(pydantic.BaseModel):\n    tea: prices.Tea\n    cup: Cup | None = None\n"
    "class Cup(pydantic.BaseModel):\n    pot: Pot | None = None\n"
    "def ask(): return Pot(tea={}, cup={'pot': {'tea': {}}}).cup.pot.tea.price",
    "adapter": "import pydantic\n" + LAZY + "def ask():\n"
    "    return pydantic.TypeAdapter(list[Tea]).validate_python([{}])[0].price",
    "call": "import pydantic\n"
    + LAZY
    + "@pydantic.validate_call\ndef brew(tea: Tea): return tea.price\ndef ask(): return brew({})",
    "schema": "import pydantic\n" + LAZY + "class Pot(pydantic.BaseModel):\n    tea: Tea\n"
    "def ask():\n    tea = Pot.model_json_schema()['$defs']['Tea']\n"
    "    return tea['properties']['price']['default']",
    "route": FASTAPI + "app = fastapi.FastAPI()\n"
    "@app.post('/')\ndef brew(tea: Tea) -> Tea: return tea\n"
    "def ask():\n    with TestClient(app) as client:\n"
    "        return client.post('/', json={}).json()['price']",
    "route of a function": FASTAPI + "def ask():\n    app = fastapi.FastAPI()\n"
    "    @app.post('/')\n    def brew(tea: Tea) -> Tea: return tea\n"
    "    with TestClient(app) as client: return client.post('/', json={}).json()['price']",
    "dependency": FASTAPI + "from typing import Annotated\napp = fastapi.FastAPI()\n"
    "@app.get('/')\ndef brew(tea: Annotated[Tea, fastapi.Depends(lambda: Tea())]):\n"
    "    return tea.price\n"
    "def ask():\n    with TestClient(app) as client: return client.get('/').json()",
    "attrs": "import attrs\n" + LAZY + "@attrs.define\nclass Pot:\n    tea: Tea\n"
    "def ask(): return attrs.fields(Pot).tea.type().price",
    "dataclass of a function": "import dataclasses\n" + LAZY + "def ask():\n"
    "    @dataclasses.dataclass\n    class Pot:\n        tea: Tea\n"
    "    return dataclasses.fields(Pot)[0].type().price",
    "dispatch": "import functools\n" + LAZY + "@functools.singledispatch\n"
    "def brew(tea): return 0\n@brew.register\ndef _(tea: Tea): return tea.price\n"
    "def ask(): return brew(Tea())",
    "wrapped": "import functools\n" + LAZY + "def plain(tea: Tea): ...\n"
    "@functools.wraps(plain)\ndef brew(tea): ...\n"
    "def ask(): return brew.__annotations__['tea']().price",
    "annotate": LAZY + "class Pot:\n    tea: Tea\nevaluate = Pot.__annotate__\n"
    "def ask(): return evaluate(1)['tea']().price",
    "forward reference": "import annotationlib\n" + LAZY + "def ask():\n"
    "    return annotationlib.ForwardRef('Tea', module=__name__).evaluate()().price",
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("first", ["old", "new"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_p2_it_is_the_class_of_the_generation_that_asks(
    tree: LiveTree, use: str, first: str
) -> None:
    # Only `prices` is edited.
    old_and_new_find(tree, {"prices.py": TEA, "web.py": USES[use] + "\n"}, first)
