"""Radicale, as its documentation has it for any WSGI server."""

import os

from radicale import application  # noqa: F401

CONFIG = """
[auth]
type = none
[storage]
filesystem_folder = ~/collections
"""


def prepare():
    with open(os.path.join(os.environ["APP_DATA"], "config"), "w") as file:
        file.write(CONFIG)


if __name__ == "__main__":
    prepare()
