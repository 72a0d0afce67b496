"""How processes of one user find each other, and tell each other from processes of containers.

Process ids are not enough: two containers that share a runtime folder both have a process 1.

- `namespaces`: which kernel, which container: what a process id and a path mean
- `parent`: which process started this one, by a name that no other process ever has
- `file_lock`: a lock that ends with its process, and so tells whether that one lives
- `long_path`: sockets in folders with long paths
- `peer`: which user and process is at the other end of a socket
"""
