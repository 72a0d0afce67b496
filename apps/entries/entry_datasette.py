"""Datasette with one database."""

import os
import sqlite3

from datasette.app import Datasette

PATH = os.path.join(os.environ["APP_DATA"], "shop.db")


def prepare():
    connection = sqlite3.connect(PATH)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, colour TEXT)")
    rows = [(f"item {number}", ("red", "green", "blue")[number % 3]) for number in range(100)]
    connection.executemany("INSERT INTO item (name, colour) VALUES (?, ?)", rows)
    connection.commit()


if __name__ == "__main__":
    prepare()
else:
    application = Datasette([PATH], secret="not a secret").app()
