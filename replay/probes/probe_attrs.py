"""The values that an application gets from attrs."""

import pickle

import attr
import attrs


@attrs.define
class Point:
    x: int = attrs.field(validator=attrs.validators.instance_of(int))
    y: int = attrs.field(default=2, converter=int)


@attr.s(frozen=True, order=True)
class Old:
    name = attr.ib(default="old")


def result():
    try:
        Point("one")
        refused = None
    except TypeError as error:
        refused = str(error.args[0])
    return {
        "repr": [repr(Point(1)), repr(Old())],
        "asdict": attrs.asdict(Point(1, "3")),
        "evolve": repr(attrs.evolve(Point(1), y=5)),
        "order": Old("a") < Old("b"),
        "refused": refused,
        "pickled": pickle.loads(pickle.dumps(Point(4, 5))) == Point(4, 5),
        "fields": [repr(each) for each in attrs.fields(Old)],
    }
