"""Random runs of the model of the merge queue, and what holds in each of them, at each step."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from attrs import define

from scriptorium.plan.ids import Oid

from .queue_model import (
    IDLE,
    TICKETS,
    Model,
    Steps,
    person_commits,
    person_moves,
    process_lives_on,
    queue,
    submit,
    unpark,
)

STEPS = 30
DRAINED = 400
"""More steps than a queue of so few needs to come to its end."""

ACTS: tuple[tuple[float, Callable[[Model], None]], ...] = (
    (5, submit),
    (1, person_commits),
    (0.5, person_moves),
    (1, process_lives_on),
    (0.5, unpark),
)
HANDED_BACK = {"ReopenTicket", "ParkTicket"}
LANDED = {"CompleteTicket"}
TAKEN_AWAY = {"Enqueue", "RepairPlan", "by hand", "AssignTicket", "UnparkTicket"}
"""By a later submission, or after a person's hand has moved its ticket."""


@define
class Run:
    """A model and the life of the queue in it."""

    model: Model
    steps: Steps

    def advance(self) -> str:
        """Let the queue go on to just before its next effect."""
        said = next(self.steps)
        self.check()
        return said

    def crash(self) -> None:
        """All that the queue remembered is gone."""
        self.steps = queue(self.model)

    def check(self) -> None:
        """What holds at every moment."""
        model, snapshot = self.model, self.model.snapshot
        assert len(model.landings) <= 1
        assert not snapshot.problems
        assert not snapshot.duplicates
        assert len(snapshot.tickets) == TICKETS
        assert len(model.checked) == len(set(model.checked))
        waiting = {entry.number for entry in snapshot.pending}
        for number, life in model.lives.items():
            assert len(life.ends) == (0 if number in waiting else 1), life
        for older, newer in zip(model.line, model.line[1:], strict=False):
            assert model.commits[newer].parents[0] == older

    def drain(self) -> None:
        """Nobody does anything any more, and the base is green: the queue comes to its end."""
        self.model.held.clear()
        if self.model.tip.is_bad:
            person_commits(self.model)
        self.crash()
        for _ in range(DRAINED):
            if self.advance() == IDLE:
                break
        else:
            raise AssertionError("it goes round and round")
        snapshot = self.model.snapshot
        assert (snapshot.pending, snapshot.active, self.model.landings) == ((), None, {})
        for life in self.model.lives.values():
            self.check_end(life.entry.commit, life.ends[0])

    def check_end(self, commit: Oid, end: str) -> None:
        """What is said to have landed is in the base."""
        assert end in HANDED_BACK | LANDED | TAKEN_AWAY
        if end in LANDED:
            assert self.model.contains(self.model.tip.oid, commit)


def run(seed: int) -> Model:
    """One run; what fails says the seed."""
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    model = Model.new(random)
    going = Run(model, queue(model))
    weights = [weight for weight, _ in ACTS]
    try:
        for _ in range(STEPS):
            chance = random.random()
            if chance < 0.65:
                going.advance()
            elif chance < 0.72:
                going.crash()
            else:
                random.choices([act for _, act in ACTS], weights)[0](model)
                going.check()
        going.drain()
    except Exception as error:
        error.add_note(f"the seed is {seed}")
        raise
    return model
