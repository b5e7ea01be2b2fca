"""Transitions at random, legal and not, beside a person's edits: the plan is what the model says."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, TypeVar, get_args

import pygit2
import pytest
from attrs import define
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from scriptorium.plan import transitions as every_transition
from scriptorium.plan.audit import Severity, audit_history
from scriptorium.plan.drafts import TicketDraft
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import Oid, Slug, TicketId
from scriptorium.plan.layout import AUTHOR, TicketState
from scriptorium.plan.mending import possible_repairs
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.repair import RepairPlan
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import (
    CreateTickets,
    PreconditionFailed,
    Transition,
    UpdateAreas,
    UpdateSpec,
)
from tests.plan.plans import CORE, DOCS, Plan, draft_text

from .plan_model import AnyTransition, Model, Said, Tree, blob_oid
from .plan_moves import ByHand, illegal_edits, legal_edits, transitions
from .plan_seen import as_seen, everything, seen
from .soak import SOAKING, times

T = TypeVar("T")
STEPS_OF_AN_EXAMPLE = 50


@define
class Overtaken:
    """A transition that is decided on a plan which another writer changes before it is committed."""

    transition: Transition
    overtake: Callable[[], object]
    done: bool = False

    def apply(self, snapshot: Snapshot) -> Edits:
        edits = self.transition.apply(snapshot)
        if not self.done:
            self.done = True
            self.overtake()
        return edits


class PlanMachine(RuleBasedStateMachine):
    """Two writers of one plan branch, and a person, against the model. All is compared after each step."""

    steps_done: ClassVar[int] = 0
    outcomes: ClassVar[Counter[tuple[str, Said]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.plan = Plan(Path(self.folder.name) / "project")
        self.objects = GitObjects(self.plan.git_dir)
        self.writers = [self.new_writer(), self.new_writer()]
        self.model = Model()
        self.tip = self.writers[0].read().commit
        self.illegal: set[Oid] = set()
        self.past: list[tuple[str, Tree]] = []
        self.fresh = 0
        self.ever = 0
        self.done: Counter[str] = Counter()
        self.has_begun = False
        for begin in beginning():
            self.commit(self.writers[0], begin)
        self.has_begun = True

    def new_writer(self) -> PlanRepository:
        return PlanRepository(self.plan.git_dir, now=lambda: 1_700_000_000, pause=lambda _seconds: None)

    def teardown(self) -> None:
        argv = ["git", "-C", str(self.plan.root), "fsck", "--strict", "--no-dangling"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")
        self.folder.cleanup()

    # ---- steps

    def pick(self, data: st.DataObject, choices: Iterable[T]) -> T:
        """One of `choices`: first of which kind, then which. New texts are new at each pick."""
        self.fresh += 1
        kinds: dict[str, list[T]] = {}
        for choice in choices:
            kinds.setdefault(kind_of(choice), []).append(choice)
        return data.draw(st.sampled_from(kinds[data.draw(st.sampled_from(sorted(kinds)))]))

    def writer(self, data: st.DataObject) -> PlanRepository:
        return self.writers[data.draw(st.sampled_from([0, 1]))]

    def possible(self) -> list[tuple[AnyTransition, Tree]]:
        """What can be done now that is new, and the plan that it makes."""
        after = ((each, self.model.after(each)) for each in transitions(self.model, self.fresh))
        return [(each, tree) for each, tree in after if tree is not None and tree != self.model.tree]

    def go_on(self, data: st.DataObject, wanted: Callable[[AnyTransition, Tree], bool]) -> None:
        """Do something new that is wanted; anything that is new when there is none."""
        possible = self.possible()
        chosen = [each for each, tree in possible if wanted(each, tree)] or [each for each, _ in possible]
        self.commit(self.writer(data), self.pick(data, chosen))

    @rule(data=st.data())
    def do_what_is_legal(self, data: st.DataObject) -> None:
        self.go_on(data, lambda _each, _tree: True)

    @rule(data=st.data())
    def move_a_ticket(self, data: st.DataObject) -> None:
        self.go_on(data, lambda _each, tree: places(tree) != places(self.model.tree))

    @rule(data=st.data())
    def go_on_in_the_queue(self, data: st.DataObject) -> None:
        now = (self.model.tree.queue, self.model.tree.named)
        self.go_on(data, lambda _each, tree: (tree.queue, tree.named) != now)

    @rule(data=st.data())
    def do_what_was_done_least(self, data: st.DataObject) -> None:
        rarest = min((self.done[kind_of(each)], kind_of(each)) for each, _ in self.possible())
        self.go_on(data, lambda each, _tree: kind_of(each) == rarest[1])

    @rule(data=st.data())
    def give_up_or_begin_anew(self, data: st.DataObject) -> None:
        self.go_on(data, lambda each, _tree: "ark" in kind_of(each))

    @rule(data=st.data())
    def try_anything(self, data: st.DataObject) -> None:
        self.commit(self.writer(data), self.pick(data, transitions(self.model, self.fresh)))

    @rule(data=st.data())
    def try_what_is_illegal(self, data: st.DataObject) -> None:
        every = transitions(self.model, self.fresh)
        illegal = [each for each in every if self.model.after(each) is None]
        self.commit(self.writer(data), self.pick(data, illegal))

    @rule(data=st.data())
    def decide_late(self, data: st.DataObject) -> None:
        """Two decide on the same plan; the one that is second is decided again, or refused."""
        choices = list(transitions(self.model, self.fresh + 1))
        late, early = self.pick(data, choices), self.pick(data, choices)
        first, second = self.writers
        tip = self.tip
        if self.model.after(late) is None:
            self.refuse(first, late)
            return
        is_new = self.model.after(late) != self.model.tree

        def overtake() -> None:
            nonlocal tip
            if self.model.apply(early) is Said.ILLEGAL:
                with pytest.raises(PreconditionFailed):
                    second.commit(early)
            else:
                tip = self.stands_on(tip, second.commit(early))

        try:
            snapshot = first.commit(Overtaken(late, overtake))
        except PreconditionFailed:
            assert is_new
            assert self.model.apply(late) is Said.ILLEGAL
        else:
            if is_new:
                assert self.model.apply(late) is not Said.ILLEGAL
                tip = self.stands_on(tip, snapshot)
        self.look(tip)

    @rule(data=st.data())
    def edit_by_hand(self, data: st.DataObject) -> None:
        self.by_hand(self.pick(data, legal_edits(self.model, self.fresh, self.ever)))

    @precondition(lambda self: self.fresh > 15 and any(illegal_edits(self.model)))
    @rule(data=st.data())
    def move_by_hand(self, data: st.DataObject) -> None:
        self.by_hand(self.pick(data, illegal_edits(self.model)))

    @precondition(lambda self: self.fresh > 30)
    @rule(data=st.data())
    def undo_by_hand(self, data: st.DataObject) -> None:
        """What comes of a commit in an old checkout of the plan branch."""
        oid, tree = self.pick(data, self.past[-6:])
        if tree != self.model.tree:
            self.illegal.add(self.foreign_commit(oid))
            self.model.tree = tree
            self.look(self.foreign_tip())

    @rule(data=st.data())
    def repair(self, data: st.DataObject) -> None:
        writer = self.writer(data)
        self.commit(writer, RepairPlan(possible_repairs(self.objects, writer.read())))

    @rule(number=st.sampled_from([0, 1]))
    def restart(self, number: int) -> None:
        self.writers[number] = self.new_writer()
        self.look(self.tip)

    # ---- what a step does

    def commit(self, writer: PlanRepository, transition: AnyTransition) -> None:
        """Commit: the model says whether it is legal, and whether it is new."""
        said = self.model.apply(transition)
        self.outcomes[kind_of(transition), said] += 1
        self.done[kind_of(transition)] += said is Said.CHANGED
        if said is Said.ILLEGAL:
            self.refuse(writer, transition)
            return
        before = self.tip
        snapshot = writer.commit(transition)
        assert (said is Said.CHANGED) == (snapshot.commit != before)
        self.look(self.stands_on(before, snapshot))

    def refuse(self, writer: PlanRepository, transition: AnyTransition) -> None:
        with pytest.raises(PreconditionFailed):
            writer.commit(transition)
        self.look(self.tip)

    def stands_on(self, tip: Oid, snapshot: Snapshot) -> Oid:
        """The new tip: `tip` itself, or one commit of ours on it."""
        if snapshot.commit != tip:
            facts = self.objects.commit(snapshot.commit)
            assert (facts.parents, facts.author, facts.committer) == ((tip,), AUTHOR, AUTHOR)
        return snapshot.commit

    def by_hand(self, edit: ByHand) -> None:
        repo = pygit2.Repository(str(self.plan.git_dir))
        tree = repo.references[PLAN_REF].peel(pygit2.Tree)
        copies = {path: tree[source].read_raw() for path, source in edit.copies.items()}
        texts = {path: text.encode() for path, text in edit.writes.items()}
        oid = self.plan.by_hand({**texts, **copies}, edit.removes, message=edit.name)
        if edit.illegal:
            self.illegal.add(oid)
        self.model.tree = edit.after
        self.look(oid)

    def foreign_commit(self, tree: str) -> Oid:
        repo = pygit2.Repository(str(self.plan.git_dir))
        who = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)
        return Oid(str(repo.create_commit(PLAN_REF, who, who, "undo", pygit2.Oid(hex=tree), [self.tip])))

    def foreign_tip(self) -> Oid:
        tip = self.writers[0].tip()
        assert tip is not None
        return tip

    # ---- what holds after each step

    def look(self, tip: Oid) -> None:
        """The branch is at `tip`, and all agree on what is there."""
        type(self).steps_done += self.has_begun
        self.tip = tip
        fresh = PlanReader(self.plan.git_dir).read()
        assert fresh.commit == tip
        for writer in self.writers:
            assert everything(writer.read()) == everything(fresh)
        assert seen(fresh) == as_seen(self.model.tree)
        assert (fresh.ticket_high + 1, fresh.queue_high + 1) == (
            self.model.next_ticket,
            self.model.next_entry,
        )
        errors = [found for found in audit_history(self.plan.git_dir) if found.severity is Severity.ERROR]
        blamed = self.illegal | {None} if self.illegal else set()
        # A person may remove an open ticket, and leave another that depends on it.
        unsaid = [e for e in errors if e.commit not in blamed and e.rule != "depends-missing"]
        assert [str(found) for found in unsaid] == []
        self.past.append((fresh.tree, self.model.tree))
        self.ever = max((self.ever, *map(int, self.model.tree.tickets)))


def beginning() -> Iterable[AnyTransition]:
    """A plan with two areas, and a ticket in each."""
    spec, core, docs = "Build it.\n", "The core.\n", "The docs.\n"
    yield UpdateSpec(spec)
    yield UpdateAreas(blob_oid(spec), {CORE: core, DOCS: docs})
    yield CreateTickets(CORE, blob_oid(core), (TicketDraft(Slug("first"), draft_text("First")),), 0)
    yield CreateTickets(DOCS, blob_oid(docs), (TicketDraft(Slug("second"), draft_text("Second")),), 0)


def kind_of(choice: object) -> str:
    """Transitions and edits by what they do, all else alike."""
    return choice.name if isinstance(choice, ByHand) else type(choice).__name__


def places(tree: Tree) -> dict[TicketId, frozenset[TicketState]]:
    """Where each ticket is."""
    return {ticket: found.places for ticket, found in tree.tickets.items()}


@pytest.mark.req("V1-13", "V1-32", "V1-33")
def test_the_plan_is_what_the_model_says() -> None:
    steps = times(2_000, 200_000)
    PlanMachine.steps_done = 0
    PlanMachine.outcomes.clear()
    run_state_machine_as_test(
        PlanMachine,
        settings=settings(
            # Some examples end early.
            max_examples=steps // STEPS_OF_AN_EXAMPLE * 3 // 2,
            stateful_step_count=STEPS_OF_AN_EXAMPLE,
            derandomize=not SOAKING,
            database=None,
            print_blob=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert PlanMachine.steps_done >= steps
    for transition in get_args(AnyTransition):
        assert PlanMachine.outcomes[transition.__name__, Said.CHANGED], transition
        assert transition is RepairPlan or PlanMachine.outcomes[transition.__name__, Said.ILLEGAL], transition


def test_the_model_knows_every_transition() -> None:
    public = {getattr(every_transition, name) for name in every_transition.__all__}
    assert public - {Transition, PreconditionFailed} == set(get_args(AnyTransition)) - {RepairPlan}
