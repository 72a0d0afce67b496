"""How the command line reaches a running process: `unix_socket`."""
