"""Functions that the web reaches by their name."""

EDITION = 1


def greeting() -> str:
    """Say hello."""
    return "welcome"


def farewell() -> str:
    """Say goodbye."""
    return "come again"
