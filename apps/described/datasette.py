"""Datasette, which publishes databases."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

DATASETTE = App(
    name="datasette",
    framework="its own ASGI",
    release=Release("1.0a37", "605bf1d53bfc5e37961bffdf58d1ba8d1e77263fcb31cb1c6a763eeba51c8b90"),
    following=Release("1.0a38", "137a95d751a8de0ff11b4db0ce4437caf829f5c951fe5f42f7a13b4aea19d471"),
    interface="asgi",
    prepare=True,
    unsteady=(r'"query_ms": [\d.]+', r"Queries took [\d.]+ms"),
    requests=(
        Request("/"),
        Request("/.json"),
        Request("/shop.json"),
        Request("/shop/item?_facet=colour"),
        Request("/shop/item.json?_facet=colour&_size=5&_extra=facet_results"),
        Request("/shop/item/7.json"),
        Request("/-/settings.json"),
        Request("/-/plugins.json?all=1"),
        Request("/-/bench.json"),
    ),
    edits=(
        Edit(
            "leaf",
            "datasette/views/special.py",
            'data = {"ok": True, **data}',
            'data = {"ok": True, "edited": True, **data}',
        ),
        Edit(
            "middle",
            "datasette/utils/__init__.py",
            "UNSTABLE_API_MESSAGE = (",
            'UNSTABLE_API_MESSAGE = "edited: " + (',
        ),
        Edit("entry", "entry_datasette.py", "", "\nEDITED = True\n"),
        Edit("model", "datasette/facets.py", "", "\nColumnFacet.edited = True\n"),
        Edit(
            "route",
            "datasette/app.py",
            '            r"/-/settings(\\.(?P<format>json))?$",\n        )\n',
            '            r"/-/settings(\\.(?P<format>json))?$",\n        )\n'
            "        add_route(\n"
            '            JsonDataView.as_view(self, "bench.json", lambda: {}),\n'
            '            r"/-/bench(\\.(?P<format>json))?$",\n        )\n',
        ),
    ),
)
