"""What a CLI reports of its provider: whose fault a failure is, and when it may be over. Pure.

Only reasons that a CLI gives in its own report are looked at, never what a model or a tool said.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

MAX_WAIT: Final = timedelta(days=8)
"""A reset further away than a weekly limit's is not believed."""


class ProviderFault(Enum):
    """Why the provider of the model did not do its part: no fault of the agent's, nor of the ticket's."""

    RATE_LIMIT = "rate limit"
    QUOTA = "quota used up"
    OVERLOAD = "overload"
    NETWORK = "network"
    CREDENTIALS = "credentials refused"


def provider_fault(reason: str, status: int | None = None) -> ProviderFault | None:
    """The provider's fault in a failure that a CLI reports as `reason`, with an HTTP `status` if any.

    None when it is none: the agent's own, or nothing that this version knows.
    """
    words = reason.lower()
    # A used-up quota comes as 429 too, and lasts longer.
    if _QUOTA.search(words):
        return ProviderFault.QUOTA
    if status is None and (found := _STATUS.search(words)) is not None:
        status = int(found[1])
    if status is not None and (fault := _by_status(status)) is not None:
        return fault
    return next((fault for fault, pattern in _WORDS.items() if pattern.search(words)), None)


def _by_status(status: int) -> ProviderFault | None:
    match status:
        case 401 | 403:
            return ProviderFault.CREDENTIALS
        case 402:
            return ProviderFault.QUOTA
        case 429:
            return ProviderFault.RATE_LIMIT
        case 408:
            return ProviderFault.NETWORK
        case _ if 500 <= status <= 599:
            return ProviderFault.OVERLOAD
        case _:
            return None


_STATUS: Final = re.compile(r"(?:status:?|api error:|rejected|http) ?\(?([1-5]\d\d)\b")
_QUOTA: Final = re.compile(
    r"usage limit|quota exceeded|insufficient_quota|out of credits|credit balance is too low|billing"
    r"|hit your [a-z ]*limit|spend(?:ing)? limit"
)
_WORDS: Final = {
    ProviderFault.RATE_LIMIT: re.compile(r"rate.?limit|too many requests"),
    ProviderFault.OVERLOAD: re.compile(r"overloaded|high demand|at capacity|service unavailable"),
    ProviderFault.CREDENTIALS: re.compile(
        r"unauthori[sz]ed|authenticat|not logged in|please run /login|invalid api key|access token could not"
    ),
    ProviderFault.NETWORK: re.compile(
        r"stream disconnected|connection ?(?:failed|refused|reset|error|closed)|unable to connect"
        r"|connection to the api was lost|request timed out|error sending request"
        r"|while reading the server response|idle timeout|network|dns error"
    ),
}


def reset_time(reason: str, now: datetime) -> datetime | None:
    """When a CLI says that it will work again, in UTC; None when it does not say, or nothing to believe.

    `now` has a time zone: that of this machine, in which CLIs give times of day. Understood are `try again at
    3:05 PM`, `at Dec 29th, 2025 10:15 PM` (Codex), `resets 3pm` and `resets Oct 9, 5pm` (Claude Code), `in 2
    hours 3 minutes` and `in 1.5s`, and seconds since the epoch after a bar (`reached|1749924000`).
    """
    for read in (_of_epoch, _of_delay, _of_date, _of_clock):
        found = read(reason, now)
        if found is not None:
            return found.astimezone(UTC) if now < found <= now + MAX_WAIT else None
    return None


_EPOCH: Final = re.compile(r"\|(\d{10})\b")
_DELAY: Final = re.compile(
    r"(?:try again|retry|resets?|available) in ((?:\s*(?:and )?\d+(?:\.\d+)?\s*"
    r"(?:days?|hours?|minutes?|seconds?|mins?|secs?|ms|[dhms])\b,?)+)",
    re.IGNORECASE,
)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[dhms])", re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK_WORDS: Final = r"(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\b"
_DATE: Final = re.compile(
    rf"(?:at|resets?)\s+({'|'.join(_MONTHS)})[a-z]*\s+(\d{{1,2}})(?:st|nd|rd|th)?,?(?:\s+(\d{{4}}))?,?\s+"
    rf"(?:at\s+)?{_CLOCK_WORDS}",
    re.IGNORECASE,
)
_CLOCK: Final = re.compile(rf"(?:at|resets?)\s+(?:at\s+)?{_CLOCK_WORDS}", re.IGNORECASE)


def _of_epoch(reason: str, _now: datetime) -> datetime | None:
    found = _EPOCH.search(reason)
    return None if found is None else datetime.fromtimestamp(int(found[1]), UTC)


def _of_delay(reason: str, now: datetime) -> datetime | None:
    found = _DELAY.search(reason)
    if found is None:
        return None
    seconds = sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(found[1]))
    return now + min(timedelta(seconds=min(seconds, 1e9)), MAX_WAIT + timedelta(days=1))


def _of_date(reason: str, now: datetime) -> datetime | None:
    found = _DATE.search(reason)
    if found is None:
        return None
    month = _MONTHS.index(found[1].lower()) + 1
    year = int(found[3]) if found[3] else now.year
    when = _at(now, found[4], found[5], found[6], year=year, month=month, day=int(found[2]))
    if when is not None and when <= now and not found[3]:
        when = _at(now, found[4], found[5], found[6], year=year + 1, month=month, day=int(found[2]))
    return when


def _of_clock(reason: str, now: datetime) -> datetime | None:
    found = _CLOCK.search(reason)
    if found is None:
        return None
    when = _at(now, found[1], found[2], found[3], year=now.year, month=now.month, day=now.day)
    return when + timedelta(days=1) if when is not None and when <= now else when


def _at(
    now: datetime, hour: str, minute: str | None, half: str, *, year: int, month: int, day: int
) -> datetime | None:
    hours = int(hour) % 12 + (12 if half.lower() == "p" else 0)
    try:
        return datetime(year, month, day, hours, int(minute or 0), tzinfo=now.tzinfo)
    except ValueError:
        return None
