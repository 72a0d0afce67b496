"""Kinto, a store of JSON."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

_KINTO_USER = (
    ("Authorization", "Basic dXNlcjpwYXNz"),
    ("Content-Type", "application/json"),
)

KINTO = App(
    name="kinto",
    framework="Pyramid",
    release=Release("26.3.0", "71c254f49080110ccc9570bfa1e14431e8d11a827fb46720061e070f4fcdd116"),
    following=Release("26.3.1", "d8df01e8ebc727e70f76fda3762a973af244257c0e0df6d1ad4fb4cf5c841680"),
    interface="wsgi",
    unsteady=(r'"last_modified":\d+',),
    requests=(
        Request("/v1/__flush__", "POST"),
        Request("/v1/"),
        Request("/v1/contribute.json"),
        Request("/v1/buckets/shop", "PUT", '{"data": {"colour": "red"}}', _KINTO_USER),
        Request("/v1/buckets/shop/collections/item", "PUT", "", _KINTO_USER),
        Request(
            "/v1/buckets/shop/collections/item/records/one",
            "PUT",
            '{"data": {"name": "chair"}}',
            _KINTO_USER,
        ),
        Request("/v1/buckets/shop/collections/item/records", headers=_KINTO_USER),
        Request("/v1/buckets/shop/history?_fields=action", headers=_KINTO_USER),
        Request("/v1/buckets/gone", headers=_KINTO_USER),
        Request("/v1/__bench__"),
    ),
    edits=(
        Edit(
            "leaf",
            "kinto/views/contribute.py",
            "    return _CONTRIBUTE_INFO",
            '    return {**_CONTRIBUTE_INFO, "edited": True}',
        ),
        Edit(
            "middle",
            "kinto/core/errors.py",
            '        "error": error or httpexception.title,',
            '        "error": f"edited: {error or httpexception.title}",',
        ),
        Edit("entry", "entry_kinto.py", "", "\nEDITED = True\n"),
        Edit(
            "model",
            "kinto/views/buckets.py",
            "        super().__init__(*args, **kwargs)\n",
            "        super().__init__(*args, **kwargs)\n"
            "        self.add(colander.SchemaNode(\n"
            '            colander.String(), name="edited", missing="yes"))\n',
        ),
        Edit(
            "route",
            "kinto/core/views/heartbeat.py",
            "",
            '\n\nbench = Service(name="bench", path="/__bench__")\n\n\n'
            "@bench.get(permission=NO_PERMISSION_REQUIRED)\n"
            "def get_bench(request):\n    return {}\n",
        ),
    ),
)
