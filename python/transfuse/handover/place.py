"""What does a process of `transfuse serve` set up, so that it can take over and be taken over from?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from transfuse import workers
from transfuse.control import unix_socket
from transfuse.handover.member import Member
from transfuse.handover.parent import private_path
from transfuse.handover.retirement import Retirement
from transfuse.process.install import installed_settings
from transfuse.servers import entry_gate

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place:
    """The place of this process in a team.

    Args:
        folder: of the server alone.
        listener: the descriptor at which all workers accept.
        team: the number of the team.
    """

    def __init__(self, folder: str, listener: int, team: int) -> None:
        self._path = private_path(folder)
        self._listener = listener
        self._team = team
        self._application: object = None
        self._member: Member | None = None

    def enter(self) -> Member:
        """Tell the parent that this process is there, before anything is loaded."""
        workers.set_apart(self._team)
        self._member = Member(self._path, self._team, self._retire)
        return self._member

    def take_up(self, application: object, interface: str) -> bool:
        """The application is loaded: return whether the server may begin with it.

        Args:
            application: what the server will hold.
            interface: ``"asgi"`` or ``"wsgi"``. An ASGI server begins with the application's
                startup, and passes the gate after that.
        """
        assert self._member is not None
        self._application = application
        unix_socket.answer_to("handover", self._hand_over)
        if interface == "asgi":
            entry_gate.close(self._member)
            return True
        return self._member.wait_until_it_may_serve()

    def _hand_over(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        assert self._member is not None
        word = self._member.ask_and_wait()
        if word["why"] is None:
            return {"outcome": "handed over", "text": "handed over to fresh processes"}
        text = f"{word['trace']}not handed over: {word['why']}; nothing has changed"
        return {"outcome": "refused", "text": text}

    def _retire(self) -> None:
        settings = installed_settings()
        workers.leave()
        drain = None if settings is None else settings.drain
        Retirement(self._listener, self._application, drain).run()
        unix_socket.close()


