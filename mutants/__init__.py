"""Do the tests of each promise notice when it is broken? `python -m mutants`, or `make mutants`.

For each promise there is one deliberate fault in the source (`table`). It is put in, the core is
built anew where it must be, the tests that hold the promise run and must fail, and the source is
put back (`__main__`).
"""
