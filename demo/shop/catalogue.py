"""The items of the shop."""

EDITION = 1

# Item -> what it costs before tax, in cents.
ITEMS = {"pencil": 90, "notebook": 350, "lamp": 4200, "chair": 12900, "desk": 38900}
