"""The values that an application gets from jinja2."""

import jinja2
import jinja2.sandbox
from jinja2 import DictLoader, Environment

PAGES = {
    "base": "<{% block body %}{% endblock %}>",
    "page": "{% extends 'base' %}{% block body %}{{ items|join(', ')|upper }}{% endblock %}",
    "loop": "{% for i in items recursive %}{{ loop.index }}{{ i }}{% endfor %}",
    "attributes": "<a{{ {'id': name, 'x': none}|xmlattr }}>",
}
pages = Environment(loader=DictLoader(PAGES), autoescape=True)
boxed = jinja2.sandbox.SandboxedEnvironment()


def attempt(environment, source):
    try:
        return environment.from_string(source).render(x="{}")
    except jinja2.TemplateError as error:
        return f"{type(error).__name__}: {error}"


def result():
    return {
        "pages": [pages.get_template(name).render(items="ab", name="a b") for name in PAGES],
        "boxed": attempt(boxed, "{{ ''.__class__.__mro__ }}"),
        "format": attempt(boxed, "{{ ('{0.__class__}'|attr('format'))(x) }}"),
        "wrong": attempt(pages, "{% if %}"),
    }
