"""Values in a few characters, for screens, traces and people. Never fails, never grows with the value."""

from reprlib import Repr

SUMMARY_LENGTH = 200

_short = Repr()
_short.maxlevel = 3
_short.maxstring = _short.maxother = 120


def summary(value: object) -> str:
    """The value's ``repr`` in at most `SUMMARY_LENGTH` characters, its containers cut short."""
    text = _short.repr(value)
    return text if len(text) <= SUMMARY_LENGTH else text[: SUMMARY_LENGTH - 3] + "..."


def attributes(value: object) -> dict[str, str]:
    """The attributes of an object, slots included, each with its `summary`."""
    slots = [name for cls in reversed(type(value).__mro__) for name in _slots(cls)]
    names = dict.fromkeys([*slots, *getattr(value, "__dict__", {})])
    return {name: summary(getattr(value, name)) for name in names if hasattr(value, name)}


def _slots(cls: type) -> tuple[str, ...]:
    declared = cls.__dict__.get("__slots__", ())
    names = (declared,) if isinstance(declared, str) else tuple(declared)
    return tuple(name for name in names if name not in {"__dict__", "__weakref__"})
