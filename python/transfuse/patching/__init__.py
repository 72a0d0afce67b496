"""How does a module take new code and stay the module it is? The policy `patch`.

The new source has run in a namespace of its own. This folder compares it with the old one and
writes down the steps to take, each with its reverse. It changes nothing yet: the core carries the
list out in one go, without a Python frame in between, and reverses it if the update fails. In
reading order: `compare` (the entry), `merge` (which old object becomes which new one), `classes`
and `enums`, `references` (other references to a new object where the old one stays), `change` (the
list).
"""

from __future__ import annotations

from transfuse.patching.compare import prepare

__all__ = ["prepare"]
