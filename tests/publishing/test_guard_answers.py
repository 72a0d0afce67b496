"""What a guard answers, and what it is made of, is taken for what it is or not at all."""

from __future__ import annotations

import base64
import textwrap

import pytest

import publishing_site
from publishing_site import Site

site = publishing_site.site

IN = {"Authorization": "Basic " + base64.b64encode(b"eric:x").decode()}

# Answers that are true whatever they would say.
SENSELESS = {
    "a coroutine that nobody awaits": """
        async def is_admin(user): return False
        async def __access__(request, user): return is_admin(user)
        """,
    "an object of a class that is called": """
        class __auth__:
            def __init__(self, request, user, password): self.known = False
        """,
    "a plain object": "def __access__(request, user): return object()",
    "a function": "def __access__(request, user): return lambda: False",
    "a class": "def __access__(request, user): return bool",
    "a generator of its own": "def __access__(request, user): return (each for each in [])",
    "a map": "def __access__(request, user): return map(bool, [])",
}


@pytest.mark.parametrize("what", SENSELESS)
def test_an_answer_that_is_not_true_or_false_by_itself_lets_nobody_in(
    site: Site, what: str
) -> None:
    guard = textwrap.dedent(SENSELESS[what])
    site.publish({"index.py": f"{guard}\ndef index(): return 'in'"})
    assert site.get("/", headers=IN).status == 500


@pytest.mark.parametrize(
    ("answer", "status"),
    [("None", 403), ("0", 403), ("[]", 403), ("'yes'", 200), ("[user]", 200), ("Bool()", 403)],
)
def test_an_answer_that_is_true_or_false_is_taken_for_that(
    site: Site, answer: str, status: int
) -> None:
    site.publish({
        "index.py": f"""
            class Bool:
                def __bool__(self): return False
            def __access__(request, user): return {answer}
            def index(): return "in"
            """
    })  # fmt: skip
    assert site.get("/").status == status


# Each would be asked as if it was the plain function that it is made of.
AROUND = {
    "a decorator": """
        @nobody
        def __access__(request, user): return True
        """,
    "another value for the name": """
        def __access__(request, user): return True
        __access__ = nobody(__access__)
        """,
    "another value for the name, further in": """
        def __access__(request, user): return True
        def close():
            nonlocal __access__
            __access__ = False
        """,
    "a second definition": """
        def __access__(request, user): return True
        def __access__(request, user): return True
        """,
    "defaults": "def __access__(request, user, allowed=()): return True",
    "defaults by name": "def __access__(request, user, *, allowed=()): return True",
    "an import": """
        def __access__(request, user): return True
        from os import path as __access__
        """,
    "a name of the module's": """
        global __access__
        def __access__(request, user): return False
        """,
    "a loop": """
        def __access__(request, user): return True
        for __access__ in []: pass
        """,
}


@pytest.mark.parametrize("what", AROUND)
def test_a_guard_inside_a_function_has_nothing_around_it(site: Site, what: str) -> None:
    inner = textwrap.dedent(AROUND[what]).replace("\n", "\n    ")
    site.publish({
        "index.py": "def nobody(function): return lambda request, user: False\n"
        f"def index():\n    {inner}\n    return 'in'\n"
    })  # fmt: skip
    assert site.get("/").status == 500


def test_a_guard_inside_is_plain_whatever_it_is_annotated_with_and_where_it_stands(
    site: Site,
) -> None:
    site.publish({
        "index.py": """
            from functools import cache
            class Shelf:
                @cache
                def show(self):
                    "What it says."
                    def __access__(request: object, user: str | None) -> bool:
                        return request.query == "friend"
                    return "in"
            shelf = Shelf()
            """
    })  # fmt: skip
    assert site.get("/shelf/show").status == 403
    assert site.get("/shelf/show", "friend").status == 200


MADE = """
    made = []
    def told(): return str(len(made))
    class Shop:
        __publish__ = True
        {0}
        def __init__(self): made.append(1)
        def show(self): return "in"
        def index(self): return "in"
    """
OF_CLASSES = {
    "a dict": "__auth__ = {'eric': 'x'}",
    "a bool": "__auth__ = False",
    "a static method": "__auth__ = staticmethod(lambda request, user, password: user == 'eric')",
    "a class method": "__auth__ = classmethod(lambda cls, *given: given[1] == 'eric')",
    # From Python 3.14 on a partial is bound like a function, and 3.13 warns of that.
    "a partial": "__auth__ = staticmethod(__import__('functools').partial("
    "lambda *given: given[1] == 'eric'))",
}


@pytest.mark.parametrize("what", OF_CLASSES)
def test_a_class_is_asked_before_an_object_is_made_of_it(site: Site, what: str) -> None:
    site.publish({"index.py": MADE.format(OF_CLASSES[what])})
    for path in ("/Shop", "/Shop/show", "/Shop/nothing"):
        for method in ("GET", "OPTIONS", "PUT"):
            assert site.get(path, method=method).status == 401
    assert site.get("/told").text == "0"


def test_who_does_not_call_has_no_object_made(site: Site) -> None:
    site.publish({"index.py": MADE.format("__access__ = True")})
    found = [site.get(path, method=method).status for path in ("/Shop", "/Shop/show")
             for method in ("OPTIONS", "PUT")]  # fmt: skip
    assert found == [204, 405, 204, 405]
    assert site.get("/told").text == "0"
    assert site.get("/Shop/nothing", method="OPTIONS").status == 404


def test_a_guard_of_a_class_is_asked_once(site: Site) -> None:
    guard = "__access__ = classmethod(lambda cls, *given: made.append(0) or True)"
    site.publish({"index.py": MADE.format(guard)})
    assert site.get("/Shop/show").status == 200
    assert site.get("/told").text == "2"


def test_a_class_without_a_sensible_guard_lets_nobody_in_by_any_method(site: Site) -> None:
    site.publish({"index.py": MADE.format("__access__ = None")})
    assert {500} == {site.get("/Shop", method=each).status for each in ("GET", "OPTIONS", "PUT")}


def test_what_a_class_makes_up_has_no_say_in_who_is_let_in(site: Site) -> None:
    site.publish({
        "index.py": """
            class Open:
                __access__ = False
                def __getattribute__(self, name):
                    if name == "__access__": return True
                    return object.__getattribute__(self, name)
                def index(self): return "in"
            class Hidden:
                def __init__(self): self.__access__ = False
                __dict__ = property(lambda self: {})
                def index(self): return "in"
            opened, hidden = Open(), Hidden()
            setattr(hidden, "__access__", False)
            """
    })  # fmt: skip
    assert [403, 403] == [site.get(path).status for path in ("/opened", "/hidden")]
