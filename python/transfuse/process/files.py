"""How does code read a file that belongs to its generation, such as a template of its own?

A file under a root, or in the project, becomes part of the generations when it is first read. A
request that runs old code goes on reading what the file contained then.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from transfuse import _core


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text of a file as it is in the caller's generation.

    A change of the file makes a generation. It runs the modules that have read the file while they
    were imported, and no others. Files outside of the roots and the project are read from disk.

    Args:
        path: the file; a relative path counts from the working directory.
        encoding: the encoding of the text.

    Raises:
        FileNotFoundError: there is no such file in that generation.
        ContentGone: the file has changed, and the store had no room for what it contained.
        UnicodeDecodeError: the content is no text in that encoding.
    """
    found = _core.file_content(os.fspath(path))
    if found is None:
        return Path(path).read_text(encoding=encoding)
    digest, content = found
    if not digest:
        raise FileNotFoundError(2, os.strerror(2), os.fspath(path))
    return decoded(content, encoding)


def decoded(content: bytes, encoding: str) -> str:
    """Return the text that `open` would read: each line ends with a line feed."""
    return io.TextIOWrapper(io.BytesIO(content), encoding=encoding).read()
