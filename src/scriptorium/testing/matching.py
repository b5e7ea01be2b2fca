"""What a test or a fault is about: a type, a predicate or a value, and how each is told to people."""

from __future__ import annotations

from types import UnionType

from scriptorium.runtime import summary


def matches(pattern: object, message: object) -> bool:
    """Whether the message is of the type, or satisfies the predicate, or equals the value.

    A class or a union ``A | B`` is a type and any other callable a predicate; `object` is the type of
    every message.
    """
    if isinstance(pattern, type | UnionType):
        return isinstance(message, pattern)
    if callable(pattern):
        return bool(pattern(message))
    return pattern == message


def described(pattern: object) -> str:
    """The pattern for a message to people."""
    if pattern is object:
        return "a message"
    if isinstance(pattern, type):
        return pattern.__name__
    if isinstance(pattern, UnionType):
        return f"one of {pattern}"
    if callable(pattern):
        return f"a message that satisfies {getattr(pattern, '__name__', repr(pattern))}"
    return summary(pattern)
