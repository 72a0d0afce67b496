"""Updates, as Python code sees them.

- `api`: request one, subscribe to all; `participants`: refuse one, and learn how it ended
- `history`: which generation was served when
- `places`: where a thread is, in the program's own code
- `trial`, `trial_state`, `trial_watch`: updates on trial, and the end of a trial; `error_rates`:
  whether requests fail more often
- `reports`: the results, as values; `messages`: the results, in words
"""
