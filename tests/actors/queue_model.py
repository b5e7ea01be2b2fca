"""The merge queue's decisions, driven step by step in a world that is held in memory.

Real are the decisions: which entry is next, what each transition makes of the plan, what is evidence, what is
put right of what a person did. Modelled are git and the checks: a commit is the set of what it contains. The
queue is a generator that stops before each of its effects, so that anything may happen there, a crash too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from random import Random
from typing import assert_never

from attrs import define, field, frozen

from scriptorium.actors.attempts import must_park
from scriptorium.actors.merging import NextEntry, next_entry
from scriptorium.actors.queue_order import PASSED_OVER_LIMIT
from scriptorium.code.evidence import Evidence, Result, Verdict, evidence_for
from scriptorium.code.merge import AlreadyLanded, Merged, NothingToLand
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import PENDING
from scriptorium.plan.memory import snapshot_from_files
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.repair import RepairPlan, queue_repairs
from scriptorium.plan.snapshot import Numbers, Snapshot
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    Enqueue,
    ParkTicket,
    PreconditionFailed,
    ReopenTicket,
    StartLanding,
    Transition,
    UnparkTicket,
)

from .plans import DONE, IN_PROGRESS, OPEN, STUCK, PlanFiles, ticket

TICKETS = 6
MAX_REOPENS = 2
PRIORITIES = ("low", "", "", "critical")
KEY = "checks"

Steps = Generator[str, None, None]
"""What the queue does next; `IDLE` when it has nothing to do."""
IDLE = "idle"


@frozen
class Commit:
    """A commit, what its tree holds, and whether the checks fail on that."""

    oid: Oid
    parents: tuple[Oid, ...]
    holds: frozenset[str]

    @property
    def tree(self) -> Oid:
        return Oid(hashlib.sha1("\n".join(sorted(self.holds)).encode(), usedforsecurity=False).hexdigest())

    @property
    def is_bad(self) -> bool:
        return any(part.startswith("bad") for part in self.holds)


@frozen
class Conflicted:
    """The two do not merge."""


@define
class Life:
    """What became of one submission; each is said once."""

    entry: QueueEntry
    ends: list[str] = field(factory=list)


@define
class Model:
    """The plan, the code's git and the verdicts; everything here outlives a crash of the queue."""

    random: Random
    files: dict[str, bytes] = field(factory=dict)
    commits: dict[Oid, Commit] = field(factory=dict)
    line: list[Oid] = field(factory=list)
    """The base branch, oldest first."""
    landings: dict[TicketId, Oid] = field(factory=dict)
    verdicts: dict[Oid, Verdict] = field(factory=dict)
    held: set[TicketId] = field(factory=set)
    lives: dict[int, Life] = field(factory=dict)
    checked: list[Oid] = field(factory=list)
    _snapshot: Snapshot | None = None

    @classmethod
    def new(cls, random: Random) -> Model:
        """A plan of open tickets, each of an area of its own, on a green base."""
        model = cls(random)
        tickets = [
            ticket(number, area=f"a{number}", priority=random.choice(PRIORITIES))
            for number in range(1, TICKETS + 1)
        ]
        model.files = dict(PlanFiles().spec().with_(*tickets).files)
        model.line.append(model.commit_of((), frozenset({"first"})).oid)
        return model

    # ---- the plan

    @property
    def snapshot(self) -> Snapshot:
        if self._snapshot is None:
            numbers = Numbers(queue=max(self.lives, default=0))
            self._snapshot = snapshot_from_files(self.files, numbers=numbers)
        return self._snapshot

    def write(self, transition: Transition) -> None:
        """Carry out a transition on the newest plan, as the store does; raises `PreconditionFailed`."""
        before = self.snapshot
        edits = transition.apply(before)
        for path in edits.removes:
            self.files.pop(path, None)
        self.files.update({path: text.encode() for path, text in edits.writes.items()})
        self.renew(before, type(transition).__name__)

    def renew(self, before: Snapshot, cause: str) -> None:
        """Note what has come to the queue and what has left it."""
        self._snapshot = None
        number = max(self.lives, default=0) + 1
        path = next((path for path in self.files if path.startswith(f"{PENDING}/{number:04d}-")), None)
        if path is not None:
            stem = path.removeprefix(f"{PENDING}/").removesuffix(".md")
            self.lives[number] = Life(QueueEntry.parse(stem, self.files[path].decode()))
        now = {entry.number for entry in self.snapshot.pending}
        for entry in before.pending:
            if entry.number not in now:
                self.lives[entry.number].ends.append(cause)

    # ---- the code

    @property
    def tip(self) -> Commit:
        return self.commits[self.line[-1]]

    def commit_of(self, parents: tuple[Oid, ...], holds: frozenset[str]) -> Commit:
        made = Commit(Oid(f"{len(self.commits) + 1:040x}"), parents, holds)
        self.commits[made.oid] = made
        return made

    def contains(self, tip: Oid, commit: Oid) -> bool:
        waiting, seen = [tip], set[Oid]()
        while waiting:
            here = waiting.pop()
            if here == commit:
                return True
            if here not in seen:
                seen.add(here)
                waiting.extend(self.commits[here].parents)
        return False

    def merge(self, base: Oid, submission: Oid) -> Merged | Conflicted | NothingToLand | AlreadyLanded:
        if self.contains(base, submission):
            return AlreadyLanded(base)
        ours, theirs = self.commits[base].holds, self.commits[submission].holds
        if any(part.startswith("conflict") and part not in ours for part in theirs) and len(ours) > 2:
            return Conflicted()
        if theirs <= ours:
            return NothingToLand()
        return Merged(Commit(base, (), ours | theirs).tree, base, submission)

    def check(self, commit: Commit) -> Verdict:
        """Run the checks; a tree that has a verdict is never checked again."""
        assert commit.tree not in self.verdicts
        self.checked.append(commit.tree)
        verdict = Verdict(commit.tree, KEY, Result.RED if commit.is_bad else Result.GREEN)
        self.verdicts[commit.tree] = verdict
        return verdict

    def move_base(self, commit: Commit, evidence: Evidence) -> None:
        """Only landing does; the compare-and-swap has been passed."""
        assert not commit.is_bad
        assert self.verdicts[commit.tree].result is Result.GREEN
        assert commit.parents == (self.line[-1], evidence.submission)
        assert commit.tree == evidence.tree
        self.line.append(commit.oid)


# ---- the queue


def queue(model: Model) -> Steps:
    """One life of the merge queue. Dropped at any step it is a crash there."""
    settled = False
    while True:
        snapshot = model.snapshot
        following = next_entry(snapshot, model.held)
        try:
            if not settled:
                yield from _settle(model)
                settled = True
            elif repairs := queue_repairs(snapshot):
                yield "bring the queue in line"
                model.write(RepairPlan(repairs))
            elif not (yield from _base_is_green(model)) or following is None:
                yield IDLE
            else:
                yield from _take(model, following)
        except PreconditionFailed:
            settled = False  # somebody was faster: from a fresh look


def _base_is_green(model: Model) -> Generator[str, None, bool]:
    tip = model.tip
    if tip.tree not in model.verdicts:
        yield "check the base"
        if tip.tree not in model.verdicts:
            model.check(tip)
    return model.verdicts[tip.tree].result is Result.GREEN


def _take(model: Model, following: NextEntry) -> Steps:
    entry, base = following.entry, model.tip.oid
    proposal = model.merge(base, entry.commit)
    if not following.started:
        _require_order(model, entry)
        yield "start landing"
        model.write(StartLanding(entry.ticket))
    match proposal:
        case Conflicted():
            yield from _hand_back(model, entry, ReopenReason.CONFLICT)
        case NothingToLand():
            yield from _hand_back(model, entry, ReopenReason.NOTHING_TO_LAND)
        case AlreadyLanded():
            yield from _complete(model, entry.ticket, proposal.commit, entry.commit)
        case Merged():
            yield from _check_and_land(model, entry, proposal)
        case _:
            assert_never(proposal)


def _require_order(model: Model, first: QueueEntry) -> None:
    """One that later entries have left the queue before so often goes before any later one."""
    assert model.snapshot.active is None or model.snapshot.state_of(first.ticket) is IN_PROGRESS
    for entry in model.snapshot.pending:
        passed = sum(bool(life.ends) for number, life in model.lives.items() if number > entry.number)
        in_progress = model.snapshot.state_of(entry.ticket) is IN_PROGRESS
        if passed >= PASSED_OVER_LIMIT and in_progress and entry.ticket not in model.held:
            assert first.number <= entry.number


def _check_and_land(model: Model, entry: QueueEntry, merged: Merged) -> Steps:
    holds = model.commits[merged.base].holds | model.commits[merged.submission].holds
    commit = model.commit_of((merged.base, merged.submission), holds)
    verdict = model.verdicts.get(commit.tree)
    if verdict is None:
        yield "check"
        verdict = model.verdicts.get(commit.tree) or model.check(commit)
    if verdict.result is Result.RED:
        yield from _hand_back(model, entry, ReopenReason.CHECKS_FAILED)
        return
    evidence = evidence_for(merged, verdict)
    yield "land"
    snapshot = model.snapshot
    if snapshot.active != entry or snapshot.state_of(entry.ticket) is not IN_PROGRESS:
        return
    if model.tip.oid != evidence.base:
        return
    assert not model.landings, "another landing is not over"
    model.landings[entry.ticket] = commit.oid
    yield "move the base"
    if model.tip.oid != evidence.base:
        del model.landings[entry.ticket]
        return
    model.move_base(commit, evidence)
    yield from _complete(model, entry.ticket, commit.oid, entry.commit)


def _complete(model: Model, ticket: TicketId, commit: Oid, submission: Oid) -> Steps:
    yield "complete"
    model.write(CompleteTicket(ticket, commit, submission))
    yield "forget the landing"
    model.landings.pop(ticket, None)


def _hand_back(model: Model, entry: QueueEntry, reason: ReopenReason) -> Steps:
    reopens = model.snapshot.tickets[entry.ticket].ticket.reopen_count
    parked = must_park(reopens, MAX_REOPENS)
    note = ReopenNote(reason=reason, detail=reason.value)
    yield "hand back"
    model.write((ParkTicket if parked else ReopenTicket)(entry.ticket, note, entry))


def _settle(model: Model) -> Steps:
    """What `settle` finds at the start, and what is made of it."""
    for name, oid in tuple(model.landings.items()):
        commit = model.commits[oid]
        base, submission = commit.parents
        if not model.contains(model.tip.oid, oid):
            yield "finish the landing"
            if model.tip.oid != base:
                del model.landings[name]
                continue
            merged = Merged(commit.tree, base, submission)
            model.move_base(commit, evidence_for(merged, model.verdicts[commit.tree]))
        entry = model.snapshot.entry_of(name)
        if model.snapshot.state_of(name) is not IN_PROGRESS or (entry and entry.commit != submission):
            del model.landings[name]
            continue
        yield from _complete(model, name, oid, submission)


# ---- everybody else


def submit(model: Model) -> None:
    """An agent hands in: for the first time, again, or instead of what it has handed in."""
    snapshot, random = model.snapshot, model.random
    chosen = TicketId(f"{random.randint(1, TICKETS):04d}")
    if snapshot.state_of(chosen) is OPEN:
        model.write(AssignTicket(chosen, f"scriptorium/ticket-{chosen}", "worktree"))
    elif snapshot.state_of(chosen) is not IN_PROGRESS:
        return
    kind = random.choices(("good", "bad", "conflict", "same"), (6, 2, 1, 1))[0]
    base = random.choice(model.line[-3:])
    new = {f"{kind} {chosen} {len(model.commits)}"} if kind != "same" else set[str]()
    commit = model.commit_of((base,), model.commits[base].holds | new)
    try:
        model.write(Enqueue(chosen, f"scriptorium/ticket-{chosen}", commit.oid, "Done."))
    except PreconditionFailed:
        assert snapshot.active is not None
        assert snapshot.active.ticket == chosen


def person_commits(model: Model) -> None:
    """Others move the base: with work of their own that may be bad, or with what waits in the queue."""
    tip, random = model.tip, model.random
    waiting = model.snapshot.pending
    if tip.is_bad:
        mended = frozenset(part for part in tip.holds if not part.startswith("bad"))
        made = model.commit_of((tip.oid,), mended | {f"mended {len(model.commits)}"})
    elif waiting and random.random() < 0.3:
        other = model.commits[random.choice(waiting).commit]
        made = model.commit_of((tip.oid, other.oid), tip.holds | other.holds)
    else:
        kind = "bad" if random.random() < 0.2 else "theirs"
        made = model.commit_of((tip.oid,), tip.holds | {f"{kind} {len(model.commits)}"})
    model.line.append(made.oid)


def person_moves(model: Model) -> None:
    """A person takes a ticket elsewhere, its entry stays; or removes what is none of theirs."""
    before, random = model.snapshot, model.random
    file = random.choice(sorted(before.tickets.values(), key=lambda file: file.id))
    target = random.choice([state for state in (OPEN, IN_PROGRESS, DONE, STUCK) if state is not file.state])
    if random.random() < 0.2:
        model.files.pop("queue/merge/active.md", None)
    else:
        text = model.files.pop(file.path)
        model.files[f"{target.folder}/{file.name}.md"] = text
    model.renew(before, "by hand")


def process_lives_on(model: Model) -> None:
    """The last process of a run is still there, or it is gone."""
    chosen = TicketId(f"{model.random.randint(1, TICKETS):04d}")
    model.held ^= {chosen}


def unpark(model: Model) -> None:
    """A person has looked at a parked ticket."""
    for file in model.snapshot.in_state(STUCK):
        model.write(UnparkTicket(file.id))
        return
