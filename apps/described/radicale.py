"""Radicale, which keeps calendars."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

_EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:bench
BEGIN:VEVENT
UID:one
DTSTAMP:20260101T000000Z
DTSTART:20260102T100000Z
DTEND:20260102T110000Z
SUMMARY:Lunch
END:VEVENT
END:VCALENDAR
"""
_ANN = (("Authorization", "Basic YW5uOmFubg=="),)

RADICALE = App(
    name="radicale",
    framework="its own WSGI",
    release=Release("3.8.3", "24be9a55485341be367eec6adf1ab73e96125e0d96e8efab22aa94615abce3bc"),
    following=Release("3.9.0", "25fe89613d77a5bed182860407235efa3a77adead4ddc6022784801521992741"),
    interface="wsgi",
    prepare=True,
    unsteady=(r"/ns/sync/\w+",),
    environment=(("HOME", "{data}"), ("RADICALE_CONFIG", "{data}/config")),
    requests=(
        Request("/", "OPTIONS"),
        Request("/ann/days/", "MKCALENDAR", headers=_ANN),
        Request("/ann/days/one.ics", "PUT", _EVENT, (*_ANN, ("Content-Type", "text/calendar"))),
        Request("/ann/days/one.ics", headers=_ANN),
        Request("/ann/days/", "PROPFIND", headers=(*_ANN, ("Depth", "1"))),
        Request("/ann/gone.ics", headers=_ANN),
        Request("/", "BENCH"),
        Request("/ann/days/", "DELETE", headers=_ANN),
    ),
    edits=(
        Edit(
            "leaf",
            "radicale/app/options.py",
            "        return client.OK, headers, None, None",
            '        headers["Content-Type"] = "text/plain"\n'
            '        return client.OK, headers, "edited", None',
        ),
        Edit(
            "middle",
            "radicale/httputils.py",
            '"The requested resource could not be found."',
            '"The requested resource could not be found, edited."',
        ),
        Edit("entry", "entry_radicale.py", "", "\nEDITED = True\n"),
        Edit("model", "radicale/item/__init__.py", "", "\nItem.edited = True\n"),
        Edit("route", "radicale/app/options.py", "", "\n    do_BENCH = do_OPTIONS\n"),
    ),
)
