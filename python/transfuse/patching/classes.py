"""How does a class take the methods and attributes of another, so that its objects behave as new?

The layout of its objects (slots, the shape of its bases) cannot change in place; a class with
another layout is replaced, and the report says so.
"""

from __future__ import annotations

import abc
import enum
from types import GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any

from transfuse.patching.enums import is_machinery, merge_members

if TYPE_CHECKING:
    from transfuse.patching.merge import Merge

# Attributes that belong to the class object itself.
_OWN = frozenset({"__dict__", "__weakref__", "_abc_impl", "__slots__"})
_LAYOUT = ("__basicsize__", "__itemsize__", "__dictoffset__", "__weakrefoffset__")


def merge_class(merge: Merge, old: type, new: type, where: str) -> bool:
    """Write down how `old` becomes `new`; False if its objects could not stay what they are."""
    reason = _obstacle(merge, old, new)
    if reason is not None:
        merge.change.note(
            merge.name,
            f"{where}: {reason}, so the class was replaced: objects made before stay as they were",
        )
        return False
    change = merge.change
    if isinstance(new, enum.EnumMeta):
        reason = merge_members(merge, old, new)
        if reason is not None:
            change.note(
                merge.name,
                f"{where}: {reason}, so the enum was replaced: members taken before stay",
            )
            return False
    kept_by_enum = _enum_names(new)
    for key, value in list(new.__dict__.items()):
        if key in _OWN or key in kept_by_enum or _is_slot(value):
            continue
        merged = merge.value(old.__dict__.get(key), value, f"{where}.{key}")
        change.class_attribute(old, key, merged)
    for key, value in list(old.__dict__.items()):
        if key not in new.__dict__ and key not in _OWN and not _is_slot(value):
            change.drop_class_attribute(old, key)
    bases = tuple(_counterpart(merge, base) for base in new.__bases__)
    if bases != old.__bases__:
        change.attribute(old, "__bases__", bases)
    if type(old) is not _counterpart(merge, type(new)):
        change.attribute(old, "__class__", _counterpart(merge, type(new)))
    if isinstance(new, abc.ABCMeta):
        change.class_attribute(old, "__abstractmethods__", new.__dict__["__abstractmethods__"])
        for reference in abc._get_dump(new)[0]:  # type: ignore[attr-defined]
            registered = reference()
            if registered is not None:
                change.call(abc.ABCMeta.register, old, merge.standing(registered))
    return True


def _obstacle(merge: Merge, old: type, new: type) -> str | None:
    if _slots(old) != _slots(new):
        return "its __slots__ changed"
    if any(getattr(old, each) != getattr(new, each) for each in _LAYOUT):
        return "its objects have another layout"
    if old.__bases__ != new.__bases__:
        bases = tuple(_counterpart(merge, base) for base in new.__bases__)
        # Bases can be exchanged where the first heap class in line has them all in its layout.
        if bases != old.__bases__ and object in (old.__bases__ + bases):
            return "its bases changed from or to nothing but object"
    return None


def _counterpart(merge: Merge, new: type) -> type:
    """The class that stands for a new one; it is compared first, if it has not been."""
    if not merge.is_class(new) or id(new) in merge.kept:
        standing: type = merge.standing(new)
        return standing
    old: Any = merge.old
    for part in new.__qualname__.split("."):
        old = old.get(part) if isinstance(old, dict) else getattr(old, part, None)
        if old is None:
            return new
    found: type = merge.value(old, new, new.__qualname__) if merge.is_class(old) else new
    return found


def _slots(of: type) -> list[str] | None:
    slots = of.__dict__.get("__slots__")
    if slots is None:
        return None
    return [slots] if isinstance(slots, str) else sorted(slots)


def _is_slot(value: object) -> bool:
    return isinstance(value, (MemberDescriptorType, GetSetDescriptorType))


def _enum_names(of: type) -> frozenset[str]:
    """Return the names that `enums` merges."""
    if not isinstance(of, enum.EnumMeta):
        return frozenset()
    return frozenset(of._member_map_) | {key for key in of.__dict__ if is_machinery(key)}
