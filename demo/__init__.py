"""A real application takes edits under load: `python -m demo`, or `make demo`.

- `shop`: the application, 20 modules of Flask; it knows nothing of Transfuse
- `server`: a copy of it, served by `transfuse serve`
- `client`: one question to it, and whether the answer is whole; `load`: many of them, steadily
- `files`: the source as an editor sees it; `scenes`: the edits, and what must be seen afterwards
- `show`: load, edits and measurements together; `table`: what came of it
"""
