"""Does each function that runs have the version of its file?

Most stale functions change no answer. So each function of an application says which version of its
module it was compiled from, random modules are edited, and after each update all functions that
answer the requests are looked at. In reading order: `instrument` (the calls in the functions),
`verdict` (which of them are stale, and whether a report says so), `walk` (the edits), and
`python -m apps.versions`.
"""
