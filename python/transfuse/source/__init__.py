"""From source to code, and from code back to its source.

- `compiler`: special variables and code; `preserved_names`: statements that a carried value skips
- `old_source`: the source that a frame of old code was compiled from
- `tracebacks`: tracebacks with the user's frames only; `suggestions`: "did you mean"
"""
