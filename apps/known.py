"""What is known not to reach its bar today?"""

from __future__ import annotations

# (application, bar) -> what was measured when it was entered. An entry leaves when its bar is met.
KNOWN: dict[tuple[str, str], str] = {
    ("moto", "import"): "0.28 -> 0.47 s",
    ("moto", "resident"): "88 -> 110 MiB",
    ("moto", "update"): "0.03 s for 2 modules (leaf)",
    ("moto", "answers"): "not after leaf, route added",
    ("moto", "memory, middle"): "20739 KiB an edit, the last 25 of 49",
    ("moto", "status"): "188850 ms",
    ("datasette", "import"): "0.27 -> 0.47 s",
    ("datasette", "update"): "0.11 s for 15 modules (entry)",
    ("datasette", "memory, leaf"): "3065 KiB an edit, the last 12 of 24",
    ("datasette", "memory, middle"): "4664 KiB an edit, the last 12 of 23",
    ("datasette", "status"): "21035 ms",
    ("kinto", "import"): "0.51 -> 0.76 s",
    ("kinto", "leaf"): "49 modules",
    ("kinto", "update"): "1.02 s for 48 modules (route added)",
    ("kinto", "memory, leaf"): "3120 KiB an edit, the last 3 of 6",
    ("kinto", "memory, middle"): "7542 KiB an edit, the last 2 of 4",
    ("ihatemoney", "import"): "0.64 -> 0.81 s",
    (
        "ihatemoney",
        "served",
    ): "not leaf, middle, entry, model, route added, route removed, repair, release",
    ("ihatemoney", "memory, leaf"): "1690 KiB an edit, the last 2 of 4",
    ("ihatemoney", "memory, middle"): "1740 KiB an edit, the last 2 of 4",
    ("django-oscar", "import"): "0.46 -> 1.09 s",
    ("django-oscar", "leaf"): "102 modules",
    ("django-oscar", "update"): "2.04 s for 102 modules (entry)",
    ("django-oscar", "memory, leaf"): "68 KiB an edit, the last 2 of 4",
    ("django-oscar", "status"): "14655 ms",
    ("radicale", "import"): "0.07 -> 0.15 s",
    ("radicale", "resident"): "31 -> 37 MiB",
    ("radicale", "leaf"): "54 modules",
    ("radicale", "update"): "0.11 s for 54 modules (middle)",
    ("radicale", "memory, leaf"): "2652 KiB an edit, the last 2 of 4",
    ("radicale", "memory, middle"): "2668 KiB an edit, the last 2 of 4",
    ("radicale", "status"): "3537 ms",
}
