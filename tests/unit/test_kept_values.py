"""What is known of a source is kept by its content."""

from __future__ import annotations

from typing import Any

from transfuse.source.kept_values import Found, kept

IMPORTS = b"def rate():\n    import rates\n    return rates.RATE\n"
KEEPS = b"def rate():\n    global kept\n    import rates\n    kept = rates.RATE\n"


def test_a_source_is_read_once_for_each_content() -> None:
    read = []

    def asked(text: bytes, digest: int) -> Found:
        def of() -> bytes:
            read.append(digest)
            return text

        namespace: dict[str, Any] = {}
        by = (of, digest, "shop", False, namespace)
        return kept(by, ("rates", {"RATE": 5}), [], {"shop": namespace})

    for _ in range(3):
        assert asked(IMPORTS, -1) == Found([], [], ["rate"], [])
        assert asked(KEEPS, -2) == Found(["shop"], ["kept"], [], [])
    assert read == [-1, -2]
