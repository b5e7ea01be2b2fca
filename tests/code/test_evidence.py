"""Verdicts survive restarts and bad files; evidence cannot be made but from a green verdict on the tree."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.code.evidence import (
    CheckCommand,
    Evidence,
    Flake,
    NotEvidence,
    Result,
    Verdict,
    VerdictStore,
    checks_key,
    evidence_for,
    evidence_id,
)
from scriptorium.code.merge import Merged
from scriptorium.plan.ids import Oid

TREE = Oid("a" * 40)
KEY = checks_key([CheckCommand("make test")])
GREEN = Verdict(TREE, KEY, Result.GREEN, duration_seconds=1.5, finished="2026-01-02T03:04:05Z")
RED = Verdict(TREE, KEY, Result.RED, command="make test", exit_code=2, output_tail="no\udce9\n", log="x.log")
FLAKY = attrs.evolve(
    GREEN,
    base=Oid("e" * 40),
    checks=("make test",),
    flake=Flake("make test", None, "y.log"),
    ending="was red",
)
MERGED = Merged(TREE, Oid("b" * 40), Oid("c" * 40))


def tree(number: int) -> Oid:
    return Oid(f"{number:040x}")


@pytest.mark.req("V1-25")
def test_evidence_comes_from_a_green_verdict_on_the_merged_tree() -> None:
    evidence = evidence_for(MERGED, GREEN)
    assert (evidence.base, evidence.submission, evidence.tree) == (MERGED.base, MERGED.submission, TREE)
    assert evidence.verdict == GREEN


@pytest.mark.parametrize("verdict", [RED, attrs.evolve(GREEN, tree=Oid("d" * 40))])
def test_no_evidence_from_another_verdict(verdict: Verdict) -> None:
    with pytest.raises(NotEvidence):
        evidence_for(MERGED, verdict)


def test_evidence_cannot_be_made_otherwise() -> None:
    evidence = evidence_for(MERGED, GREEN)
    with pytest.raises(TypeError):
        Evidence(MERGED.base, MERGED.submission, TREE, GREEN)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        attrs.evolve(evidence, tree=Oid("d" * 40))  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        type("Forged", (Evidence,), {})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        evidence.tree = Oid("d" * 40)  # type: ignore[misc]


def test_a_key_tells_command_lists_apart() -> None:
    lists = [
        [],
        [CheckCommand("make test")],
        [CheckCommand(("make", "test"))],
        [CheckCommand("make"), CheckCommand("test")],
        [CheckCommand("test"), CheckCommand("make")],
    ]
    assert len({checks_key(commands) for commands in lists}) == len(lists)
    assert checks_key([CheckCommand("make test")]) == KEY


def test_commands_are_started_as_argv_or_by_the_shell() -> None:
    assert CheckCommand("a && b").argv == ("/bin/sh", "-c", "a && b")
    assert CheckCommand(("a", "b c")).argv == ("a", "b c")
    assert str(CheckCommand(("a", "b c"))) == "a 'b c'"


@pytest.mark.req("V1-27")
@pytest.mark.parametrize("verdict", [GREEN, RED, FLAKY, attrs.evolve(GREEN, no_checks=True)])
@pytest.mark.parametrize("fsync", [True, False])
def test_a_verdict_is_there_after_a_restart(tmp_path: Path, verdict: Verdict, fsync: bool) -> None:
    VerdictStore(tmp_path / "new" / "folder", fsync=fsync).put(verdict)
    assert VerdictStore(tmp_path / "new" / "folder").get(TREE, KEY) == verdict


def test_a_verdict_holds_for_its_tree_and_checks_only(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path)
    assert store.get(TREE, KEY) is None
    store.put(GREEN)
    assert store.get(Oid("d" * 40), KEY) is None
    assert store.get(TREE, checks_key([])) is None
    # Another key that shares the beginning which names the file.
    assert store.get(TREE, KEY[:16] + "0" * 48) is None


def test_a_later_verdict_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path)
    store.put(RED)
    store.put(GREEN)
    assert store.get(TREE, KEY) == GREEN
    assert len(list(tmp_path.iterdir())) == 1


def test_the_oldest_verdicts_go_past_the_bound(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, kept=3, fsync=False)
    for number in range(6):
        store.put(attrs.evolve(GREEN, tree=tree(number)))
        for path in tmp_path.glob(f"{tree(number)}-*"):
            os.utime(path, ns=(number, number))
    assert [number for number in range(6) if store.get(tree(number), KEY)] == [3, 4, 5]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_few_more_than_the_bound_may_stay_so_that_not_every_verdict_costs_a_listing(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, kept=16, fsync=False)
    counts = set()
    for number in range(60):
        store.put(attrs.evolve(GREEN, tree=tree(number)))
        for path in tmp_path.glob(f"{tree(number)}-*"):
            os.utime(path, ns=(number, number))
        assert all(store.get(tree(newer), KEY) for newer in range(max(0, number - 15), number + 1))
        counts.add(len(list(tmp_path.iterdir())))
        if number == 30:
            store = VerdictStore(tmp_path, kept=16, fsync=False)
    assert max(counts) == 18


@given(st.binary(max_size=300))
def test_a_file_that_is_no_verdict_counts_as_absent(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    store = VerdictStore(tmp_path_factory.getbasetemp() / "verdicts", fsync=False)
    store.put(GREEN)
    (path,) = (tmp_path_factory.getbasetemp() / "verdicts").iterdir()
    path.write_bytes(data)
    assert store.get(TREE, KEY) is None


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b"9" * 5000,
        b'{"tree": 1}',
        b" " * 300_000,
        json.dumps({**attrs.asdict(GREEN), "result": "amber"}).encode(),
        json.dumps({**attrs.asdict(GREEN), "result": "green", "exit_code": True}).encode(),
        json.dumps({**attrs.asdict(GREEN), "result": "green", "duration_seconds": "1"}).encode(),
        json.dumps({**attrs.asdict(GREEN), "result": "green", "log": None}).encode(),
    ],
)
def test_hostile_files_count_as_absent_and_are_replaced(tmp_path: Path, data: bytes) -> None:
    store = VerdictStore(tmp_path, fsync=False)
    store.put(GREEN)
    next(tmp_path.iterdir()).write_bytes(data)
    assert store.get(TREE, KEY) is None
    store.put(RED)
    assert store.get(TREE, KEY) == RED


def test_one_verdict_is_stored_by_two_threads_at_once(tmp_path: Path) -> None:
    """What was found ahead of its turn may be stored still when the same is found in its turn."""
    store = VerdictStore(tmp_path, fsync=False)
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(store.put, GREEN) for _ in range(200)]:
            done.result()
    assert store.get(GREEN.tree, GREEN.checks_key) == GREEN


def test_a_write_that_was_cut_short_leaves_the_earlier_verdict(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, fsync=False)
    store.put(GREEN)
    next(tmp_path.iterdir()).with_suffix(".new").write_bytes(b'{"tree": "')
    assert store.get(TREE, KEY) == GREEN
    store.put(RED)
    assert store.get(TREE, KEY) == RED


def test_a_name_from_outside_cannot_leave_the_folder(tmp_path: Path) -> None:
    assert VerdictStore(tmp_path).get(Oid("../../x"), KEY) is None


def test_a_verdict_is_found_by_its_short_name(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, fsync=False)
    others = [attrs.evolve(GREEN, tree=tree(number)) for number in range(5)]
    for verdict in (RED, *others):
        store.put(verdict)
    assert store.find(evidence_id(RED)) == RED
    assert store.find(evidence_id(others[3])) == others[3]
    # The same tree and checks are the same evidence, whatever came of them and when.
    assert evidence_id(RED) == evidence_id(GREEN) == "8e0760444427"
    assert len({evidence_id(verdict) for verdict in (RED, *others)}) == 6
    for unknown in ("0" * 12, "", "*", "../../../etc", evidence_id(RED)[:-1], evidence_id(RED).upper()):
        assert store.find(unknown) is None


def test_a_verdict_of_an_earlier_version_counts(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, fsync=False)
    store.put(GREEN)
    (path,) = tmp_path.iterdir()
    facts = json.loads(path.read_text())
    for key in ("base", "checks", "flake", "ending"):
        del facts[key]
    path.write_text(json.dumps(facts))
    assert store.get(TREE, KEY) == GREEN
