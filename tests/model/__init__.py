"""P5 and P6 by model: random applications, random edits, and a fresh process that is always right.

`world` makes the applications and the edits, `look` says what is observable, `fresh` asks a process
that has never seen another version.
"""
