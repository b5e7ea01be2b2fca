"""A person moves tickets with git, in a checkout of the plan branch, while the service is at work."""

from __future__ import annotations

import pytest

from .conftest import MakePlace
from .history import ids, pins, shown, subjects, tickets
from .places import Place, Work, good, part
from .service import marked
from .waiting import until

pytestmark = pytest.mark.slow


class Checkout:
    """A checkout of the plan branch, in which the branch moves on underneath, as worktrees do."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._folder = place.aside / "plan"
        place.git("worktree", "add", "-q", str(self._folder), "scriptorium/plan")

    def git(self, *words: str) -> str:
        return self._place.git("-C", str(self._folder), *words)

    def move(self, slug: str, source: str, target: str) -> str:
        """Bring the checkout up to date, move a ticket, commit; the commit."""
        name = f"{ids(self._place)[slug]}-{slug}.md"
        paths = (f"tickets/{source}/{name}", f"tickets/{target}/{name}")
        return self._commit(f"{slug} is {target}", ("reset", "-q", "--hard"), ("mv", *paths))

    def commit_what_is_there(self) -> str:
        """The classic: everything as it lies here, though the branch has moved on."""
        return self._commit("a small correction", ("add", "-A"))

    def _commit(self, message: str, *steps: tuple[str, ...]) -> str:
        until(
            lambda: self._try(*steps, ("commit", "-q", "-m", message)), "the end of a race with the service"
        )
        return self.git("log", "-1", "--format=%H", "--author=A Person").strip()

    def _try(self, *steps: tuple[str, ...]) -> bool:
        """False when the service was faster, which git says and a person then tries again."""
        try:
            for words in steps:
                self.git(*words)
        except AssertionError as error:
            if "cannot lock ref" not in str(error):
                raise
            return False
        return True

    def gone(self) -> None:
        """Remove it."""
        self._place.git("worktree", "remove", "--force", str(self._folder))


def _held(slug: str) -> Work:
    """An agent that writes its part, waits to be let go, and would then submit."""
    return Work(slug, [[part(slug), ["hold", slug], ["submit"]]])


@pytest.mark.req("V1-33", "V1-19")
def test_run_obeys_a_person_who_moves_tickets_and_check_names_it(make: MakePlace) -> None:
    place: Place = make({"alpha": [_held("a1")], "beta": [good("b1")], "gamma": [_held("g1")]}, gated=True)
    first, second, third = (ids(place)[slug] for slug in ("a1", "b1", "g1"))
    checkout = Checkout(place)
    place.hold_check(second)
    service = place.run()
    place.await_held("a1")
    place.await_checking(second)
    place.let_go("g1")
    service.wait_for(f"{third} submitted")

    # The agent of a1 is at work, b1 is being landed: both are taken away.
    away = checkout.move("a1", "in-progress", "stuck")
    service.wait_for(f"{first} is stuck, not in progress: its agent is stopped, and its work pinned")
    until(lambda: pins(place, "work", first), "the pin of the work in progress")
    assert shown(place, pins(place, "work", first)[-1], "parts/a1.txt") == "good a1\n"
    checkout.move("b1", "in-progress", "done")
    place.let_check(second)
    service.wait_for(f"removed, as ticket {second} is done, not in progress")
    service.wait_for("landed as")  # g1, which the other two no longer hold up
    assert place.status()["queue"] == {"pending": [], "active": None}
    until(lambda: "/worktrees/tickets/" not in place.git("worktree", "list"), "the end of the worktrees")
    assert tickets(place) == {"a1": "stuck", "b1": "done", "g1": "done"}
    service.wait_for("was moved by hand", times=2)
    assert marked(place.root) == {}
    assert len(subjects(place, "repair plan branch")) == 1

    # The branch has moved on from the checkout: a commit there takes back that g1 is done.
    undoing = checkout.commit_what_is_there()
    service.wait_for(
        f"commit {undoing[:12]} of the plan: .*undoes .* transitions?, .*complete ticket {third}"
    )
    service.wait_for(f"removed, as ticket {second} is done, not in progress", times=2)
    until(lambda: tickets(place)["g1"] == "done", "that g1, which is in the base branch, is done again")
    checked = place.scriptorium("check")
    assert checked.returncode == 1
    for rule, commit in {"hand-made-move": away, "undoes-transitions": undoing}.items():
        assert [line for line in checked.stdout.splitlines() if f"({rule})" in line and commit[:12] in line]
    service.stop()
    assert service.log.count("was moved by hand") == 2
    checkout.gone()
    assert place.git("fsck", "--full", "--strict", "--no-dangling", "--no-progress") == ""
