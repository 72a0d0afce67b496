"""Updates, as Python code sees them.

- `api`: request one, subscribe to all; `participants`: refuse one, and learn how it ended
- `history`: what was served when
- `reports`: the results, as values; `messages`: the results, in words
"""
