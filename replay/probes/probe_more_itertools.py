"""The values that an application gets from more-itertools."""

import more_itertools
from more_itertools import chunked, peekable, windowed
from more_itertools.recipes import sieve


def attempt(function, *arguments):
    try:
        return repr(list(function(*arguments)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def result():
    ahead = peekable(range(5))
    return {
        "chunked": list(chunked(range(7), 3)),
        "windowed": list(windowed("abcd", 2)),
        "sieve": list(sieve(30)),
        "peek": [ahead.peek(), *ahead],
        "all": sorted(each for each in dir(more_itertools) if each[0] != "_"),
        "one": attempt(lambda: [more_itertools.one("ab")]),
        "interleave": attempt(more_itertools.interleave_evenly, [[1, 2, 3], "ab"]),
        "partitions": attempt(more_itertools.set_partitions, "abc", 2),
        "split": attempt(more_itertools.split_into, range(6), [1, 2, None]),
        "strip": attempt(more_itertools.strip, [0, 1, 0], lambda each: not each),
    }
