"""The values that an application gets from structlog."""

import io

import structlog
from structlog import contextvars, processors, stdlib, testing


def result():
    with testing.capture_logs() as logs:
        structlog.get_logger().bind(a=1).info("event", b=2)
    out = io.StringIO()
    chain = [contextvars.merge_contextvars, processors.add_log_level]
    chain += [processors.EventRenamer("msg"), processors.JSONRenderer(sort_keys=True)]
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=chain)
    with contextvars.bound_contextvars(request=7):
        log.warning("slow", ms=3)
    plain = structlog.dev.ConsoleRenderer(colors=False)
    return {
        "logs": logs,
        "json": out.getvalue(),
        "console": plain(None, "info", {"event": "e", "level": "info", "key": "a b"}),
        "logfmt": processors.LogfmtRenderer()(None, "", {"a": 1, "b": "c d"}),
        "stdlib": sorted(each for each in dir(stdlib.BoundLogger) if each[0] != "_"),
        "configured": structlog.is_configured(),
    }
