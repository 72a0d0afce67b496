"""The settings, and the files that they come from.

- `checks`: each setting's check; `dotenv`; `settings`: all of them, merged and checked
- `project_files`: settings and requirements that change while the process runs
- `runtime_dir`: the directory for sockets and locks
"""
