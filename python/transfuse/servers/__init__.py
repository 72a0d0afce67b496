"""The applications that a server holds, and what their requests and lifespans need.

- `wsgi`, `asgi` (with `asgi_types`), `rsgi`: one application each, whose requests are pinned
- `target_check`, `interface_check`, `smoke_check`: an update must leave a target that can be served
- `request_pin`: the unit of work of a request
- `lifespan`, `lifespan_manager`: startup and shutdown of each generation's application;
  `application_lifecycle`: when; `loop_call`: in the server's event loop
- `connection_drain`: long connections of former generations
- `entry_gate`, `closing_connections`: how a process takes over, and is taken over from
"""
