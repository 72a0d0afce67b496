"""A storm of what people do to a server, against a model of what must be served.

Saves, broken ones among them, rollbacks, accepts, handovers and workers that are killed, in random
order, under a load of all kinds of connections. In reading order: `model` (what must be served
after each step), `site` (the application, and what an answer of it shows), `watch` (which answers
are right), `people` (how each step is done), and `python -m servers.storm`.
"""
