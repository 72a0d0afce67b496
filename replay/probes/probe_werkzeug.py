"""The values that an application gets from werkzeug."""

import werkzeug.exceptions
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.http import dump_cookie, parse_options_header
from werkzeug.routing import Map, Rule
from werkzeug.security import safe_join
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

ways = Map([Rule("/", endpoint="home"), Rule("/item/<int:number>", endpoint="item")])


@Request.application
def application(request):
    try:
        endpoint, values = ways.bind_to_environ(request.environ).match()
    except werkzeug.exceptions.HTTPException as error:
        return error
    return Response(f"{endpoint} {values} {request.args.to_dict()}", headers={"X-Shop": "1"})


def result():
    client = Client(application)
    paths = ("/", "/item/3?a=b", "/item/x")
    answers = [client.get(each) for each in paths]
    return {
        "answers": [[each.status, each.text, sorted(each.headers.items())] for each in answers],
        "cookie": dump_cookie("a", "b c", expires=0, samesite="Lax"),
        "options": parse_options_header('form-data; name="a"; filename="b.txt"'),
        "joined": [safe_join("/a", each) for each in ("b", "../c", "NUL", "CON.txt", "x/NUL")],
        "headers": str(Headers([("A", "1"), ("B", "2")])),
        "multi": MultiDict([("a", 1), ("a", 2)]).to_dict(flat=False),
    }
