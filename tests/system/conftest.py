"""A place to run scriptorium in, which is cleared of everything that a failed test left running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .places import Place, make_place
from .seccomp import Unavailable
from .syscalls import watch

MakePlace = Callable[..., Place]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakePlace]:
    """Makes places, see `make_place`; each in a folder of its own."""
    made: list[Place] = []

    def one(*given: object, **named: object) -> Place:
        place = make_place(tmp_path / str(len(made)), *given, **named)  # type: ignore[arg-type]
        made.append(place)
        return place

    yield one
    left = [line for place in made for line in place.clear_away()]
    assert not left, f"the test left running: {left}"


@pytest.fixture(scope="session")
def syscalls(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips what stops a process at its system calls, where that is not allowed."""
    try:
        watch(lambda: "", tmp_path_factory.mktemp("watched"))
    except Unavailable as reason:
        pytest.skip(f"system calls cannot be watched here: {reason}")
