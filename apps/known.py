"""Which bars are known to be missed today?"""

from __future__ import annotations

# (application, bar) -> the figure at the time of entry. An entry leaves when its bar is met.
KNOWN: dict[tuple[str, str], str] = {
    ("moto", "import"): "0.28 -> 0.47 s",
    ("moto", "resident"): "88 -> 110 MiB",
    ("moto", "update"): "0.03 s for 2 modules (leaf)",
    ("moto", "memory, middle"): "20739 KiB an edit, the last 25 of 49",
    ("datasette", "import"): "0.25 -> 0.41 s",
    ("datasette", "resident"): "55 -> 64 MiB",
    ("datasette", "update"): "0.27 s for 15 modules (model)",
    ("datasette", "memory, middle"): "100 KiB an edit, the last 25 of 50",
    ("kinto", "import"): "0.51 -> 0.76 s",
    ("kinto", "leaf"): "49 modules",
    ("kinto", "update"): "1.02 s for 48 modules (route added)",
    ("kinto", "memory, leaf"): "3120 KiB an edit, the last 3 of 6",
    ("kinto", "memory, middle"): "7542 KiB an edit, the last 2 of 4",
    ("ihatemoney", "update"): "0.61 s for 13 modules (repair)",
    ("ihatemoney", "memory, leaf"): "150 KiB an edit, the last 19 of 37",
    ("dstack", "import"): "2.15 -> 11.70 s",
    ("dstack", "update"): "4.28 s for 83 modules (middle)",
    ("dstack", "served"): "not leaf, entry, route added, repair",
    ("dstack", "memory, leaf"): "96 KiB an edit, the last 5 of 9",
    ("dstack", "memory, middle"): "17776 KiB an edit, the last 1 of 1",
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
