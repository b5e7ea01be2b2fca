"""What a submission will conflict with: the base, and what waits in the queue."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from scriptorium.code.base_changes import BaseChange
from scriptorium.code.trial import Clash, Pending, clashes
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

T1, T2, T3 = (TicketId(f"000{number}") for number in (1, 2, 3))
TEXT = "".join(f"line {number}\n" for number in range(30))


def objects(fixture: Fixture) -> list[str]:
    return sorted(str(path) for path in (fixture.project.git_dir / "objects").rglob("*"))


def test_the_base_and_the_pending_entries_are_tried_and_nothing_is_written(bare: Fixture) -> None:
    start = bare.commit({"a": TEXT, "b": "b\n"}, parents=[bare.tip()])
    submission = bare.commit({"a": TEXT.replace("line 5\n", "mine\n"), "b": "mine\n"}, parents=[start])
    base = bare.commit({"a": TEXT.replace("line 5\n", "yours\n")}, parents=[start])
    merges = bare.commit({"a": TEXT.replace("line 20\n", "far away\n")}, parents=[start])
    one, two = (bare.commit({"b": f"{who}\n"}, parents=[start]) for who in ("one", "two"))
    others = [Pending(T1, one), Pending(T2, merges), Pending(T3, two)]
    before = objects(bare)
    found = list(clashes(bare.project, submission, base, others))
    assert found == [Clash(None, ("a",), (BaseChange(base, None),)), Clash(T1, ("b",)), Clash(T3, ("b",))]
    assert objects(bare) == before
    assert list(clashes(bare.project, submission, start, [Pending(T2, merges)])) == []


def test_what_it_needs_for_a_moment_is_where_the_next_start_would_clear_it_away(
    bare: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python tries out the system's folder by a file, which a kill in that moment leaves for ever."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    start = bare.tip()
    submission, base = (bare.commit({"a": f"{who}\n"}, parents=[start]) for who in ("mine", "yours"))
    (clash,) = clashes(bare.project, submission, base, [])
    assert clash.paths == ("a",)
    assert list((bare.project.state_dir / "scratch").iterdir()) == []


def test_it_ends_where_it_is_given_up(bare: Fixture) -> None:
    start = bare.tip()
    submission = bare.commit({"a": "mine\n"}, parents=[start])
    others = [Pending(T1, bare.commit({"a": "other\n"}, parents=[start])), Pending(T2, Oid("1" * 40))]
    asked = iter([False, True])
    found = list(clashes(bare.project, submission, start, others, given_up=lambda: next(asked)))
    assert [clash.ticket for clash in found] == [T1]
    with pytest.raises(KeyError):
        list(clashes(bare.project, submission, start, others))
