"""The values that an application gets from marshmallow."""

from marshmallow import Schema, ValidationError, class_registry, fields, post_load, validate


class Author(Schema):
    name = fields.Str(required=True, validate=validate.Length(min=2))
    mail = fields.Email()


class Book(Schema):
    title = fields.Str(required=True)
    price = fields.Decimal(as_string=True)
    out = fields.Date()
    author = fields.Nested("Author")

    @post_load
    def titled(self, data, **_):
        return {**data, "title": data["title"].title()}


def attempt(data):
    try:
        loaded = Book().load(data)
    except ValidationError as error:
        return {"messages": error.messages, "valid": repr(error.valid_data)}
    return Book().dump(loaded)


def result():
    return {
        "good": attempt({"title": "a book", "price": "1.5", "out": "2024-01-02"}),
        "nested": attempt({"title": "b", "author": {"name": "Ann", "mail": "a@b.org"}}),
        "bad": attempt({"price": "x", "author": {"name": "A", "mail": "no"}, "more": 1}),
        "registry": sorted(map(str, class_registry._registry)),
        "registered": len(class_registry._registry["Book"]),
        "schema": repr(Book().fields["price"]),
    }
