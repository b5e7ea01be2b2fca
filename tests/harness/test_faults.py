"""Whose fault a failure is that a CLI reports, and when it says that it will be over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.harness.faults import MAX_WAIT, ProviderFault, provider_fault, reset_time

NOW = datetime(2026, 3, 14, 13, 30, tzinfo=timezone(timedelta(hours=2)))
USAGE_LIMIT = (
    "You've hit your usage limit. To get more access now, send a request to your admin or try again at"
)


@pytest.mark.req("CA-07")
@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("exceeded retry limit, last status: 429 Too Many Requests, request id: 1", ProviderFault.RATE_LIMIT),
        ("unexpected status 503 Service Unavailable: overloaded", ProviderFault.OVERLOAD),
        (
            "We're currently experiencing high demand, which may cause temporary errors.",
            ProviderFault.OVERLOAD,
        ),
        ("stream disconnected before completion: error sending request", ProviderFault.NETWORK),
        ("Connection failed: error sending request for url (https://x)", ProviderFault.NETWORK),
        (f"{USAGE_LIMIT} 3:05 PM.", ProviderFault.QUOTA),
        ("Quota exceeded. Check your plan and billing details.", ProviderFault.QUOTA),
        ("unexpected status 401 Unauthorized: Missing bearer", ProviderFault.CREDENTIALS),
        ("API Error: Request rejected (429) · Number of requests has exceeded", ProviderFault.RATE_LIMIT),
        ("API Error: 529 Overloaded. This is a server-side issue", ProviderFault.OVERLOAD),
        ("API Error: Unable to connect to API (ConnectionRefused)", ProviderFault.NETWORK),
        ("API Error: Connection to the API was lost (ECONNRESET). This is usually", ProviderFault.NETWORK),
        ("Failed to authenticate. API Error: 401 invalid x-api-key", ProviderFault.CREDENTIALS),
        ("You've hit your session limit · resets 3pm (Europe/London)", ProviderFault.QUOTA),
        ("Credit balance is too low", ProviderFault.QUOTA),
        ("API Error: 400 prompt is too long", None),
        ("Codex ran out of room in the model's context window.", None),
        ("error_max_turns", None),
        ("", None),
    ],
)
def test_a_reason_says_whose_fault_it_is(reason: str, fault: ProviderFault | None) -> None:
    assert provider_fault(reason) is fault


def test_a_status_counts_more_than_words_but_for_a_quota() -> None:
    assert provider_fault("it said network", 429) is ProviderFault.RATE_LIMIT
    assert provider_fault("usage limit reached", 429) is ProviderFault.QUOTA
    assert provider_fault("the request was bad", 400) is None


@pytest.mark.req("CA-07")
@pytest.mark.parametrize(
    ("reason", "wait"),
    [
        (f"{USAGE_LIMIT} 3:05 PM.", timedelta(hours=1, minutes=35)),
        (f"{USAGE_LIMIT} 1:05 PM.", timedelta(hours=23, minutes=35)),
        (f"{USAGE_LIMIT} Mar 16th, 2026 1:30 PM.", timedelta(days=2)),
        ("You've hit your limit · resets 3pm (Europe/London)", timedelta(hours=1, minutes=30)),
        ("You've hit your limit · resets Mar 15, 12am", timedelta(hours=10, minutes=30)),
        ("Try again in 2 hours 3 minutes.", timedelta(hours=2, minutes=3)),
        ("Rate limit reached. Please try again in 1.5s.", timedelta(seconds=1.5)),
        ("Please retry in 250ms", timedelta(milliseconds=250)),
        ("limit reached|1773491400", timedelta(hours=1)),
    ],
)
def test_a_time_to_come_back_is_read(reason: str, wait: timedelta) -> None:
    assert reset_time(reason, NOW) == (NOW + wait).astimezone(UTC)


@pytest.mark.parametrize(
    "reason",
    [
        "try again later",
        "",
        "limit reached|1",
        "try again in 9999999999 days",
        f"{USAGE_LIMIT} Feb 30th, 2026 1:30 PM.",
        f"{USAGE_LIMIT} Mar 10th, 2026 1:30 PM.",
        f"{USAGE_LIMIT} 25:99 PM",
        "resets in" + " 1 day" * 5000,
    ],
)
def test_what_cannot_be_or_is_far_away_is_not_believed(reason: str) -> None:
    found = reset_time(reason, NOW)
    assert found is None or NOW < found <= NOW + MAX_WAIT


@given(st.text(max_size=300))
def test_any_text_can_be_read(reason: str) -> None:
    provider_fault(reason)
    found = reset_time(reason, NOW)
    assert found is None or NOW < found <= NOW + MAX_WAIT
