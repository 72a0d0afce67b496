"""Registrations of live code in foreign containers end with the code that made them.

The core calls `published` after the swap and `abandoned` after a refusal. Objects of former
executions that only these hold cost a count of their references; otherwise one search of the heap
finds the foreign containers that hold them.

- `made`: the objects of executions, and their names
- `references`: which of these objects are held from outside
- `search`: the foreign containers that hold them
- `entries`: the entries of a container
- `exchange`: the entries that are taken out and put back
"""

from __future__ import annotations

from transfuse.registrations.exchange import abandoned as abandoned
from transfuse.registrations.exchange import published as published
