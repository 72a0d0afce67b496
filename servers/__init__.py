"""Every server that people run Python by, started for real and edited under load.

One small application (`site/`) is served by each of them (`kinds`), once through Transfuse and once
by the server's own reloader. A load asks without a break while files are edited (`trial`), and the
table says what was lost (`python -m servers`; `make servers` shows all of it).
"""
