"""Submissions apart from their calls: a cancelled call leaves its submission running."""

import trio
import trio.testing

from scriptorium.server.intake import Intake

from .service import ACCEPTED, Recorder


async def test_cancelling_a_call_leaves_its_submission_running(nursery: trio.Nursery) -> None:
    recorder = Recorder()
    recorder.hold()
    intake = Intake(recorder.submit, nursery)

    async with trio.open_nursery() as calls:
        calls.start_soon(intake.submit, "run-1", "Done.")
        await recorder.wait_begun(1)
        calls.cancel_scope.cancel()
    assert recorder.cut_off == []
    recorder.gate.set()
    await recorder.wait_finished(1)
    assert await intake.submit("run-1", "Done.") == ACCEPTED


async def test_a_summary_that_no_file_could_hold_is_refused(nursery: trio.Nursery) -> None:
    recorder = Recorder()
    answer = await Intake(recorder.submit, nursery).submit("run-1", "lone \ud800 surrogate")
    assert not answer.accepted
    assert "not valid Unicode" in answer.message
    assert recorder.begun == []


async def test_the_end_of_the_server_is_told_to_whoever_still_waits() -> None:
    recorder = Recorder()
    recorder.hold()
    answers = []

    async def call(intake: Intake) -> None:
        answers.append(await intake.submit("run-1", "Done."))

    async with trio.open_nursery() as calls, trio.open_nursery() as submissions:
        calls.start_soon(call, Intake(recorder.submit, submissions))
        await recorder.wait_begun(1)
        submissions.cancel_scope.cancel()
    assert recorder.cut_off == ["run-1"]
    assert [answer.accepted for answer in answers] == [False]
    assert "service stopped" in answers[0].message
