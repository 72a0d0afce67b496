"""How does an enum take new members, so that those that code holds stay members?

A member that keeps its name keeps its identity and takes the new value; a new one joins the old
class. Members that are numbers or strings themselves cannot take another value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfuse.patching.merge import Merge


def merge_members(merge: Merge, old: Any, new: Any) -> str | None:
    """Write down how the members of an enum change; return the obstacle, if there is one."""
    if old._member_type_ is not new._member_type_:
        return f"its members are {new._member_type_.__name__} now"
    for name, member in new._member_map_.items():
        before = old._member_map_.get(name)
        numbers = old._member_type_ is not object
        if before is not None and numbers and before._value_ != member._value_:
            return f"{name} is itself its value, which changed"
    change = merge.change
    for name, member in new._member_map_.items():
        before = old._member_map_.get(name)
        if before is None:
            change.attribute(member, "__class__", old)
            change.put(member.__dict__, "__objclass__", old)
        else:
            merge.kept[id(member)] = (member, before)
            change.attribute(before, "__dict__", {**member.__dict__, "__objclass__": old})
    for key, value in new.__dict__.items():
        if key in new._member_map_:
            if key not in old._member_map_:
                change.class_attribute(old, key, value)
        elif is_machinery(key):
            before = old.__dict__.get(key)
            merged = merge.value(before, value, f"{old.__qualname__}.{key}")
            change.class_attribute(old, key, _standing_in(merge, merged))
    return None


def is_machinery(key: str) -> bool:
    """Whether a class attribute is one that `enum` keeps its members in, or the like."""
    return key.startswith("_") and not key.startswith("__")


def _standing_in(merge: Merge, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: merge.standing(each) for key, each in value.items()}
    if isinstance(value, list):
        return [merge.standing(each) for each in value]
    return merge.standing(value)
