"""The values that an application gets from pluggy."""

import pluggy

hookspec = pluggy.HookspecMarker("shop")
hookimpl = pluggy.HookimplMarker("shop")


class Spec:
    @hookspec
    def price(self, item):
        """The price of an item."""

    @hookspec(firstresult=True)
    def name(self):
        """A name."""


class Cheap:
    @hookimpl
    def price(self, item):
        return len(item)

    @hookimpl(trylast=True)
    def name(self):
        return "cheap"


class Taxed:
    @hookimpl(hookwrapper=True)
    def price(self, item):  # noqa: ARG002  pluggy asks for the name
        outcome = yield
        outcome.force_result([each * 2 for each in outcome.get_result()])

    @hookimpl(wrapper=True)
    def name(self):
        return (yield) + ", taxed"


manager = pluggy.PluginManager("shop")
manager.add_hookspecs(Spec)
manager.register(Cheap(), name="one")
manager.register(Taxed())


def result():
    return {
        "price": manager.hook.price(item="tea"),
        "name": manager.hook.name(),
        "callers": [repr(each.opts) for each in manager.hook.price.get_hookimpls()],
        "subset": manager.subset_hook_caller("price", [manager.get_plugin("one")])(item="x"),
        "plugins": len(manager.get_plugins()),
    }
