"""The application's object. Views in other modules put their routes on it."""

from flask import Flask

app = Flask("shop")
