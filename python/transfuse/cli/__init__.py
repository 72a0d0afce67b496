"""The command line: one file for each command, gathered in `group`.

Only these files import click, and, where they are needed, rich and Granian. What a person is to
read goes to stderr, what a program is to read goes to stdout.
"""
