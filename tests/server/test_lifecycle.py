"""What happens to submissions and connections when clients vanish, calls are slow, and the server stops."""

import json

import pytest
import trio
import trio.testing

from scriptorium.server import limits

from .service import Service, call, read_all, start, status_of


def _post(service: Service, run_id: str) -> bytes:
    return service.post(json.dumps(call("Done.")).encode(), service.tokens.issue(run_id))


async def test_a_client_that_hangs_up_does_not_undo_its_submission(service: Service) -> None:
    service.submissions.hold()
    async with await service.open() as stream:
        await stream.send_all(_post(service, "run-1"))
        await service.submissions.wait_begun(1)
    service.submissions.gate.set()
    await service.submissions.wait_finished(1)
    assert service.submissions.cut_off == []


async def test_a_connection_that_breaks_does_not_cut_its_submission_short(service: Service) -> None:
    service.submissions.hold()
    async with await service.open() as stream:
        await stream.send_all(_post(service, "run-1"))
        await service.submissions.wait_begun(1)
        # A reset, not an orderly end.
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    await trio.testing.wait_all_tasks_blocked()
    service.submissions.gate.set()
    await service.submissions.wait_finished(1)
    assert service.submissions.cut_off == []


async def test_calls_of_one_run_do_not_pile_up(service: Service) -> None:
    service.submissions.hold()
    token = service.tokens.issue("run-1")
    sent = service.post(json.dumps(call("Done.")).encode(), token)
    for number in range(limits.SUBMISSIONS_PER_RUN):
        async with await service.open() as stream:
            await stream.send_all(sent)
            await service.submissions.wait_begun(number + 1)
    response = await service.ask(sent)
    assert b"Wait for them" in response
    assert len(service.submissions.begun) == limits.SUBMISSIONS_PER_RUN
    service.submissions.gate.set()
    await service.submissions.wait_finished(limits.SUBMISSIONS_PER_RUN)
    assert b'"isError":false' in await service.ask(sent)


async def test_a_slow_submission_is_answered_before_the_agent_gives_up_and_goes_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    autojump_clock.autojump_threshold = 0.05
    service = await start(nursery)
    service.submissions.hold()
    began = trio.current_time()
    response = await service.ask(_post(service, "run-1"))
    assert trio.current_time() - began == pytest.approx(limits.ANSWER_SECONDS, abs=1)
    assert b"is still being taken" in response
    service.submissions.gate.set()
    await service.submissions.wait_finished(1)


async def test_a_submission_made_while_stopping_is_taken_and_answered(service: Service) -> None:
    service.submissions.hold()
    async with await service.open() as stream, await service.open() as idle:
        await stream.send_all(_post(service, "run-1"))
        await service.submissions.wait_begun(1)
        service.scope.cancel()
        assert await read_all(idle) == b""
        service.submissions.gate.set()
        response = await read_all(stream)
        assert status_of(response) == 200
        assert b'"isError":false' in response
    await service.over.wait()
    with pytest.raises(OSError, match="all attempts to connect"):
        await service.open()


async def test_the_stop_is_bounded_whatever_is_still_going_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    autojump_clock.autojump_threshold = 0.05
    service = await start(nursery)
    service.submissions.hold()
    async with await service.open() as stream:
        await stream.send_all(_post(service, "run-1"))
        await service.submissions.wait_begun(1)
        began = trio.current_time()
        service.scope.cancel()
        await service.over.wait()
        assert trio.current_time() - began == pytest.approx(limits.STOP_SECONDS, abs=0.5)
    assert service.submissions.cut_off == ["run-1"]


async def test_a_client_that_never_reads_does_not_hold_the_stop_up(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    autojump_clock.autojump_threshold = 0.05
    service = await start(nursery)
    async with await service.open() as stream:
        await stream.send_all(service.post(b"", service.tokens.issue("run-1"), content_length="1000"))
        service.scope.cancel()
        await service.over.wait()


async def test_a_cancelled_start_leaves_no_socket(nursery: trio.Nursery) -> None:
    with trio.move_on_after(0):
        await start(nursery)
    service = await start(nursery)
    assert status_of(await service.health()) == 200
