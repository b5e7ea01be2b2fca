"""Reads a line of JSON that an untrusted program wrote. Never raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

JsonObject = Mapping[str, object]

_DECODER: Final = json.JSONDecoder()
_BLANKS: Final = b" \t\r\n"


def parse_object(line: bytes) -> JsonObject | None:
    """The JSON object on this line; None when it is anything else: deep, huge, not UTF-8, half a line.

    The caller has bounded its length.
    """
    try:
        # As `json.loads` does it, but that guesses the encoding first and looks for blanks twice: a fifth of
        # the time for the short lines that agents print most.
        text = line.strip(_BLANKS).decode()
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        return None
    return value if isinstance(value, dict) and end == len(text) else None


def text_of(value: JsonObject, key: str) -> str:
    """The string at `key`, empty when there is none. Without lone surrogates, which no file could take."""
    found = value.get(key)
    if not isinstance(found, str):
        return ""
    return found if found.isascii() else found.encode("utf-8", "replace").decode()


def count_of(value: JsonObject, key: str) -> int:
    """The number at `key` if it can count something, else 0."""
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0


def object_of(value: JsonObject, key: str) -> JsonObject:
    """The object at `key`, empty when there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def number_of(value: JsonObject, key: str) -> float | None:
    """The finite number at `key` that is not negative, else None."""
    found = value.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if 0 <= number < float("inf") else None
