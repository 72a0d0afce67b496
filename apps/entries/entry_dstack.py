"""dstack's server, as its `main` makes it, without background tasks."""

import asyncio

from dstack._internal.server import bootstrap

bootstrap.set_up_process()

from dstack._internal.server.app import create_app, lifespan, register_routes  # noqa: E402

application = create_app()
register_routes(application)


async def prepare():
    # The first startup makes the database, and takes long.
    async with lifespan(application):
        pass


if __name__ == "__main__":
    asyncio.run(prepare())
