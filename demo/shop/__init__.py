"""A shop of 20 modules.

Each module has an EDITION, which an edit raises, and says in TOOK which editions of other modules
it was built on. `witness` puts both into every answer.
"""
