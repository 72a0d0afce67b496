"""The values that an application gets from tomlkit."""

import tomlkit
from tomlkit import exceptions, items

SOURCE = """# shop
title = "tea"  # best

[owner]
name = 'Ann'
born = 1979-05-27T07:32:00Z
a.b.c = [1, 2, # two
  3]

[[shelf]]
n = 1
[[shelf]]
n = 2
"""


def attempt(source):
    try:
        return tomlkit.parse(source).unwrap()
    except exceptions.ParseError as error:
        return f"{type(error).__name__}: {error}"


def result():
    document = tomlkit.parse(SOURCE)
    same = document.as_string() == SOURCE
    document["owner"]["name"] = "Bob"
    document["shelf"].append({"n": 3})
    document.add(tomlkit.comment("end"))
    document["table"] = tomlkit.inline_table()
    document["table"].update({"x": 1.5, "y": [True, "z"]})
    return {
        "same": same,
        "edited": tomlkit.dumps(document),
        "types": [type(document["shelf"]).__name__, isinstance(document["title"], items.String)],
        "bad": [attempt("a = "), attempt("a = 1\na = 2"), attempt("[a]\n[a]"), attempt("a = 01")],
        "plain": repr(tomlkit.parse(SOURCE).unwrap()),
        "array": tomlkit.array("[1, 2]").multiline(True).as_string(),
    }
