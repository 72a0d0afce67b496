"""I Hate Money, which shares expenses."""

from __future__ import annotations

from apps.description import App, Edit, Release, Request

_TRIP = (("Authorization", "Basic dHJpcDp0cmlw"),)

IHATEMONEY = App(
    name="ihatemoney",
    framework="Flask, SQLAlchemy",
    release=Release("7.2.0", "f69c4ecba3987afcdc9949071837bae553cbc046e900318c3f3d39deadf1c1c2"),
    following=Release("7.2.1", "e74fc718f68e1ec400cf9c4364025a91febb86c9b523aeb33a52e5adbeaa77e1"),
    interface="wsgi",
    prepare=True,
    unsteady=(r'csrf_token" type="hidden" value="[^"]*"',),
    requests=(
        Request("/"),
        Request("/healthcheck"),
        Request("/api/currencies"),
        Request("/api/projects/trip", headers=_TRIP),
        Request("/api/projects/trip/members", headers=_TRIP),
        Request("/api/projects/trip/bills", headers=_TRIP),
        Request("/api/projects/trip/statistics", headers=_TRIP),
        Request("/bench"),
    ),
    edits=(
        Edit(
            "leaf",
            "ihatemoney/api/common.py",
            "        return project.members_stats",
            '        return [*project.members_stats, "edited"]',
        ),
        Edit("middle", "ihatemoney/utils.py", "", "\nEDITED = True\n"),
        Edit("entry", "entry_ihatemoney.py", "", "\nEDITED = True\n"),
        Edit(
            "model",
            "ihatemoney/models.py",
            '            "weight": self.weight,\n            "activated": self.activated,\n',
            '            "weight": self.weight,\n            "activated": self.activated,\n'
            '            "edited": True,\n',
        ),
        Edit(
            "route",
            "ihatemoney/web.py",
            '@main.route("/healthcheck", methods=["GET"])',
            '@main.route("/bench")\n@main.route("/healthcheck", methods=["GET"])',
        ),
    ),
)
