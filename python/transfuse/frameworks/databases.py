"""Which databases in memory does a module have?

Such a database is its connection, and lost with it. Nothing here imports `sqlite3` or SQLAlchemy,
and no connection is asked.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from transfuse.frameworks import sqlalchemy

if TYPE_CHECKING:
    from collections.abc import Iterator

# The ids of connections to databases in memory, of those that were made while a module ran. An id
# leaves when another connection has it that is to a file.
_connections: set[int] = set()


def connected(connection: Any, database: Any) -> None:
    """Note a connection to SQLite; the core calls it.

    Args:
        connection: the connection.
        database: what it was made for, such as ``":memory:"``.
    """
    text = database.decode(errors="replace") if isinstance(database, bytes) else str(database)
    if text in ("", ":memory:") or "mode=memory" in text or text.startswith("file::memory:"):
        _connections.add(id(connection))
    else:
        _connections.discard(id(connection))


def in_memory(namespace: dict[str, Any]) -> list[str]:
    """Return the names under which a module has databases in memory."""
    return list(_in_memory(namespace))


def _in_memory(namespace: dict[str, Any]) -> Iterator[str]:
    engines = "sqlalchemy.engine.base" in sys.modules
    if not engines and not _connections:
        return
    for name, value in list(namespace.items()):
        connection = id(value) in _connections and type(value).__module__ == "sqlite3"
        made = sqlalchemy.engines({name: value}) if engines else ()
        if connection or any(map(sqlalchemy.is_in_memory, made)):
            yield name
