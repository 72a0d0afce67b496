"""An update is reported in a line that a person understands."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest

from transfuse.cli.terminal import say
from transfuse.source.tracebacks import user_traceback
from transfuse.updates.messages import (
    clock,
    colourful,
    duration,
    paint,
    plan_lines,
    short_path,
    update_text,
)
from transfuse.updates.reports import Change, Plan, Ran, Report, Restart

ROOTS = ["/srv", "/srv/site"]


def changed(*names: str) -> tuple[Change, ...]:
    return tuple(Change(f"/srv/site/{name}", "changed") for name in names)


def test_an_update_is_one_line() -> None:
    report = Report(
        "published",
        13,
        changed=changed("shop/prices.py"),
        ran=(
            Ran("shop.prices", "changed"),
            Ran("shop.web", "imports shop.prices"),
            Ran("shop.till", "imports shop.prices"),
            Ran("shop.a", "imports shop.web"),
            Ran("shop.b", "imports shop.web"),
        ),
        seconds=0.0061,
    )
    expected = (
        "updated in 6 ms: shop/prices.py changed; ran shop.prices,"
        " shop.web (imports shop.prices), shop.till (imports shop.prices) and 2 more;"
        " serving generation 13"
    )
    assert update_text(report, ROOTS) == expected


def test_many_files_are_counted() -> None:
    report = Report("published", 2, changed=changed("a.py", "b.py", "c.py", "d.py"), seconds=2.04)
    expected = (
        "updated in 2.0 s: a.py changed, b.py changed, c.py changed and 1 more;"
        " no loaded module is concerned; serving generation 2"
    )
    assert update_text(report, ROOTS) == expected


def test_a_needed_restart_is_told() -> None:
    report = Report(
        "published",
        2,
        changed=changed("a.py"),
        restart=(Restart("a", "never-policy", "__reload__ is 'never': restart the server"),),
        seconds=0.0004,
    )
    expected = (
        "updated in 0.4 ms: a.py changed; no loaded module is concerned;"
        " needs a restart: a (__reload__ is 'never': restart the server); serving generation 2"
    )
    assert update_text(report, ROOTS) == expected


def test_nothing_to_update() -> None:
    assert update_text(Report("unchanged", 4)) == "nothing to update: serving generation 4"


def test_a_rollback() -> None:
    expected = "rolled back in 0.2 ms; serving generation 5"
    assert update_text(Report("rolled back", 5, seconds=0.0002)) == expected


def test_a_rollback_says_where_it_goes_and_what_it_leaves() -> None:
    then = time.mktime((2020, 2, 3, 14, 3, 0, 0, 0, -1))
    report = Report(
        "rolled back",
        7,
        changed=(
            Change("/srv/site/shop/val.py", "changed"),
            Change("/srv/site/shop/new.py", "deleted"),
        ),
        seconds=0.005,
        back_to=(4, then),
        set_aside=("/srv/site/shop/val.py", "/srv/site/shop/new.py"),
    )
    where = (
        "back to generation 4 of 2020-02-03 14:03: shop/val.py as it was then, without shop/new.py"
    )
    left = "serving generation 7; set aside: shop/val.py, shop/new.py"
    assert update_text(report, ROOTS) == f"rolled back in 5 ms: {where}; {left}"
    planned = replace(report, outcome="planned", ran=(Ran("shop.val", "changed"),))
    assert update_text(planned, ROOTS) == (
        f"would go {where}; would run shop.val; nothing has changed; {left}"
    )


def test_what_is_set_aside_is_told_with_each_update() -> None:
    aside = ("/srv/site/shop/val.py",)
    published = Report("published", 8, set_aside=aside)
    assert update_text(published, ROOTS).endswith("; set aside: shop/val.py")
    refused = Report("refused", 8, set_aside=aside)
    assert update_text(refused, ROOTS).endswith("; set aside: shop/val.py")
    fixed = Report("unchanged", 4, fixed=True)
    assert update_text(fixed, ROOTS) == "fixed: serving generation 4, as saved"


def test_a_time_of_today_has_no_date() -> None:
    now = time.time()
    assert clock(now) == time.strftime("%H:%M", time.localtime(now))


def test_p4_a_refused_update_names_the_place_and_what_is_still_served() -> None:
    error = SyntaxError("invalid syntax", ("/srv/site/shop/prices.py", 3, 7, "x = = 1\n"))
    report = Report("refused", 12, error=error, traceback=user_traceback(error))
    assert update_text(report, ROOTS) == (
        "refused: shop/prices.py, line 3: SyntaxError: invalid syntax\n"
        '  File "/srv/site/shop/prices.py", line 3\n'
        "    x = = 1\n"
        "          ^\n"
        "SyntaxError: invalid syntax\n"
        "still serving generation 12; save a repair and it is tried again"
    )


def test_p4_the_place_is_the_innermost_frame_below_a_root() -> None:
    namespace: dict[str, object] = {}
    source = "import json\n\njson.loads('{')"
    with pytest.raises(ValueError, match="Expecting") as caught:
        exec(compile(source, "/srv/site/shop/web.py", "exec"), namespace)
    first, *_ = update_text(Report("refused", 1, error=caught.value), ROOTS).splitlines()
    assert first.startswith("refused: shop/web.py, line 3: JSONDecodeError: Expecting property")


def test_a_plan_is_a_line_for_each() -> None:
    plan = Plan(
        3,
        changed=(Change("/srv/site/a.py", "created"),),
        ran=(Ran("a", "created"),),
        restart=(Restart("c", "extension", "c.so changed"),),
    )
    assert plan_lines(plan, ROOTS) == [
        "created  a.py",
        "run      a  (created)",
        "restart  c  (extension: c.so changed)",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.00004, "0.0 ms"), (0.00094, "0.9 ms"), (0.001, "1 ms"), (0.9994, "999 ms"), (1, "1.0 s")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_a_path_is_relative_to_the_innermost_root() -> None:
    paths = ["/srv/site/shop/a.py", "/srv/other/a.py", "/srvx/a.py"]
    expected = ["shop/a.py", "other/a.py", "/srvx/a.py"]
    assert [short_path(path, ROOTS) for path in paths] == expected


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_where_it_is_seen_and_wanted(
    stream: io.StringIO, environ: dict[str, str], expected: bool
) -> None:
    assert colourful(stream, environ) is expected


def test_paint_colours_the_first_line() -> None:
    assert paint("a\nb", "red") == "\x1b[31ma\x1b[0m\nb"


def test_a_line_is_written_in_one_piece_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else those of two threads, or of two workers, end up on one line."""
    written: list[str] = []
    monkeypatch.setattr("sys.stderr", out := io.StringIO())
    monkeypatch.setattr(out, "write", written.append)
    say("serving 3 modules", "green")
    assert list(filter(None, written)) == ["transfuse: serving 3 modules\n"]
