"""Two things at once: both are done, and an error comes out as itself."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.together import together


class Refused(Exception):
    """What one of them raises."""


async def test_both_are_done_at_once(autojump_clock: MockClock) -> None:
    done: list[str] = []

    async def beside() -> None:
        await trio.sleep(5)
        done.append("beside")

    async def wanted() -> int:
        await trio.sleep(3)
        done.append("wanted")
        return 7

    assert await together(beside, wanted) == 7
    assert done == ["wanted", "beside"]
    assert trio.current_time() == 5


@pytest.mark.parametrize("fails", ["beside", "wanted"])
async def test_an_error_cancels_the_other_and_comes_out_plain(fails: str, autojump_clock: MockClock) -> None:
    cause = ValueError("why")

    async def work(name: str) -> None:
        if name == fails:
            raise Refused(name) from cause
        await trio.sleep_forever()

    with pytest.raises(Refused, match=fails) as caught:
        await together(lambda: work("beside"), lambda: work("wanted"))
    assert caught.value.__cause__ is cause


async def test_a_cancellation_ends_both(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope:
        await together(trio.sleep_forever, trio.sleep_forever)
    assert scope.cancelled_caught
