"""What runs inside the process that is measured, plain or live.

The runner copies this folder to `transfuse_apps` in a folder of its own, because applications have
top-level packages called `apps`. In reading order: `gauges`, `costs`, `hits`, `caller`,
`latency`, `main`.
"""
