"""The command line: one file for each command, gathered in `group`.

Only these files import click, and, where they are needed, rich and Granian. Messages
for a person go to stderr, output for a program goes to stdout.
"""
