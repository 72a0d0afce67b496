"""dstack's server, which runs jobs in clouds."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

_ADMIN = (("Authorization", "Bearer bench"), ("Content-Type", "application/json"))

DSTACK = App(
    name="dstack",
    framework="FastAPI, SQLAlchemy, pydantic",
    release=Release("0.22.4", "d672eef9410f1c51f494f05a64597e9a549674790b1db5a8ab65db258484edf0"),
    following=Release("0.22.5", "685f43d67861531116ef923b925ce9d3ac39565b084b560356c41b4d5bcec319"),
    interface="asgi",
    root="src",
    extra="server",
    prepare=True,
    environment=(
        ("HOME", "{data}"),
        ("DSTACK_SERVER_DIR", "{data}/server"),
        ("DSTACK_SERVER_ADMIN_TOKEN", "bench"),
        ("DSTACK_SERVER_BACKGROUND_PROCESSING_DISABLED", "1"),
        ("DSTACK_DO_NOT_UPDATE_DEFAULT_PROJECT", "1"),
    ),
    requests=(
        Request("/healthcheck"),
        Request("/api/server/get_info", "POST"),
        Request("/api/users/get_my_user", "POST", "{}", _ADMIN),
        Request("/api/projects/list", "POST", "{}", _ADMIN),
        Request("/api/runs/list", "POST", "{}", _ADMIN),
        Request("/api/project/main/fleets/list", "POST", "{}", _ADMIN),
        Request("/api/project/gone/fleets/list", "POST", "{}", _ADMIN),
        Request("/api/auth/bench", "POST", "{}", _ADMIN),
        Request("/openapi.json"),
    ),
    edits=(
        Edit(
            "leaf",
            "dstack/_internal/server/routers/server.py",
            "server_version=settings.DSTACK_VERSION,",
            'server_version=f"{settings.DSTACK_VERSION} edited",',
        ),
        Edit(
            "middle",
            "dstack/_internal/server/utils/routers.py",
            '    msg: str = "Access denied"',
            '    msg: str = "Access denied, edited"',
        ),
        Edit("entry", "entry_dstack.py", "", "\nEDITED = True\n"),
        Edit(
            "model",
            "dstack/_internal/server/models.py",
            "    name: Mapped[str] = mapped_column(String(50), unique=True)\n"
            "    created_at: Mapped[datetime] = mapped_column(NaiveDateTime, "
            "default=get_current_datetime)\n    token:",
            "    name: Mapped[str] = mapped_column(String(51), unique=True)\n"
            "    created_at: Mapped[datetime] = mapped_column(NaiveDateTime, "
            "default=get_current_datetime)\n    token:",
        ),
        Edit(
            "route",
            "dstack/_internal/server/routers/auth.py",
            "",
            '\n\n@router.post("/bench", summary="Bench")\nasync def bench():\n    return []\n',
        ),
    ),
)
