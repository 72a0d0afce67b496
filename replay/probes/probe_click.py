"""The values that an application gets from click."""

import click
from click.testing import CliRunner


@click.group()
@click.version_option("1")
def shop():
    """A shop."""


@shop.command()
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 9))
@click.option("--kind", type=click.Choice(["tea", "milk"]), default="tea")
@click.argument("name")
def buy(count, kind, name):
    """Buy something."""
    click.echo(f"{count} {kind} {name}")


def result():
    lines = [
        ["--help"],
        ["buy", "--help"],
        ["buy", "--count", "3", "green"],
        ["buy", "--count", "10", "green"],
        ["buy", "--kind", "coffee", "x"],
        ["sell"],
        ["--version"],
    ]
    told = [CliRunner().invoke(shop, line) for line in lines]
    return [[each.exit_code, each.output] for each in told]
