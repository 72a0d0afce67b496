"""How does a module take new code and stay the module it is? The policy `patch`.

The new source has been run in a namespace of its own; here it is compared with the old one, and
what has to be done is written down, each step with what takes it back. Nothing is changed yet: the
core carries the list out in one go, without a Python frame in between, and takes it back if the
update fails. In reading order: `change` (the list), `merge` (which old object becomes which new
one), `classes` and `enums` (what is special about those), `references` (who else holds a new
object where the old one stays).
"""

from __future__ import annotations

from transfuse.patching.merge import prepare

__all__ = ["prepare"]
