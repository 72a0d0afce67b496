"""moto, which imitates the services of AWS."""

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
