"""How the command line finds and reaches a running process.

In the process: `presence` (its files), `listener` (its socket), `unix_socket` (its answers). In the
command line: `places` (which project), `processes` (which processes, and asking them).
"""
