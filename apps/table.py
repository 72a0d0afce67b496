"""Which applications are measured?"""

from __future__ import annotations

from apps.description import App, Edit, Release, Request


def _signed(service: str) -> tuple[tuple[str, str], ...]:
    """Return the headers by which moto tells services apart."""
    scope = f"a/20200101/us-east-1/{service}/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=b"
    return (
        ("Authorization", signature),
        ("Content-Type", "application/x-www-form-urlencoded"),
    )


MOTO = App(
    name="moto",
    framework="Flask",
    release=Release("5.2.2", "aac8023a429e125e91c91f8f4730a67b54f518cda587352f7e67252fe3168f75"),
    following=Release("5.2.3", "a9e95c3218b6eda18e74571f1ced11cb1bc3151467d562c1da6037b9d19832cb"),
    interface="wsgi",
    extra="server",
    unsteady=(r"<RequestId>\w+",),
    requests=(
        Request("/moto-api/reset", "POST"),
        Request("/", "POST", "Action=GetCallerIdentity", _signed("sts")),
        Request("/", "POST", "Action=CreateQueue&QueueName=jobs", _signed("sqs")),
        Request(
            "/123456789012/jobs",
            "POST",
            "Action=GetQueueAttributes&AttributeName.1=VisibilityTimeout",
            _signed("sqs"),
        ),
        Request("/", "POST", "Action=CreateTopic&Name=news", _signed("sns")),
        Request("/", "POST", "Action=ListRoles&Version=2010-05-08", _signed("iam")),
        Request("/shelf", "PUT", "", _signed("s3")),
        Request("/", "GET", "", _signed("s3")),
        Request("/moto-api/"),
        Request("/moto-api/bench"),
    ),
    edits=(
        Edit(
            "leaf",
            "moto/moto_api/_internal/responses.py",
            'return render_template("dashboard.html")',
            'return render_template("dashboard.html") + "<!-- edited -->"',
        ),
        Edit(
            "middle",
            "moto/core/utils.py",
            'value.strftime("%Y-%m-%dT%H:%M:%S.000Z") if value',
            'value.strftime("%Y-%m-%dT%H:%M:%S.000Z edited") if value',
        ),
        Edit("entry", "entry_moto.py", "", "\nEDITED = True\n"),
        Edit("model", "moto/sqs/models.py", '"VisibilityTimeout": 30,', '"VisibilityTimeout": 31,'),
        Edit(
            "route",
            "moto/moto_api/_internal/urls.py",
            '    "{0}/moto-api/lib.js"',
            '    "{0}/moto-api/bench": response_instance.dashboard,\n    "{0}/moto-api/lib.js"',
        ),
    ),
)

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

APPS = (MOTO, DATASETTE)
