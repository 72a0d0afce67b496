"""A library that computes things about what it is given, and that keeps what it is given."""

from __future__ import annotations

FOREIGN = """
    import functools
    class Param:
        alias = None
        def __init__(self): self.asked = {}
        @functools.cached_property
        def schema(self): return [self.alias]
    class App:
        def __init__(self): self.router, self.parts, self.debug = Param(), {}, False
        def configure(self, **given): vars(self).update(given)
        def describe(self, value): self.router.description = value
    class Meta(type):
        def __init__(cls, *given):
            super().__init__(*given)
            cls.fields = {"size": Param()}
            cls.__lazy__, cls.__setters__ = Param(), {}
    def set_plainly(owner, name, value): object.__setattr__(owner, name, value)
    class Model(metaclass=Meta):
        def __setattr__(self, name, value):
            type(self).__setters__.setdefault(name, set_plainly)(self, name, value)
    class Fast:
        def __init_subclass__(cls): cls.__setters__ = {}
        def __setattr__(self, name, value):
            type(self).__setters__.setdefault(name, set_plainly)(self, name, value)
    def sign(function):
        for default in function.__defaults__ or ():
            default.alias = function.__code__.co_varnames[0]
            default.asked["type"] = int
        return function
    def rebuild(model, by=None):
        for name, field in model.fields.items():
            field.alias = name
        model.__schema__ = {"fields": [*model.fields], "by": by}
    def visit(app): app.router.visited = True
    shared = App()
    """
