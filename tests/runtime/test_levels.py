"""The warning of restart intensities that multiply."""

import pytest

from scriptorium.runtime import EventStream, Intensity, IntensityWarning, Restart, Supervisor, SupervisorSpec
from scriptorium.testing import listen

from .company import Company


def tower(*intensities: int, restart: Restart = Restart.PERMANENT) -> SupervisorSpec:
    """Supervisors s1 (the outermost), s2 and so on."""
    below: list[SupervisorSpec] = []
    for number, restarts in reversed(list(enumerate(intensities, 1))):
        below = [SupervisorSpec(f"s{number}", below, intensity=Intensity(restarts), restart=restart)]
    return below[0]


async def warnings(*specs: SupervisorSpec, top: int | None = None) -> list[IntensityWarning]:
    events = EventStream()
    intensity = None if top is None else Intensity(top)
    async with (
        listen(events, IntensityWarning) as heard,
        Supervisor("top", events=events, intensity=intensity) as supervisor,
    ):
        for spec in specs:
            await supervisor.start_supervisor(spec)
    return [event for event in heard.received if isinstance(event, IntensityWarning)]


async def test_a_high_product_over_the_levels_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    [warning] = await warnings(tower(3, 4), top=2)
    assert warning == IntensityWarning(("top", "top/s1", "top/s1/s2"), (2, 3, 4), restarts=3 * 4 * 5 - 1)
    [record] = caplog.records
    assert "over the levels 'top' (2), 'top/s1' (3), 'top/s1/s2' (4)" in record.message
    assert "restarted up to 59 times" in record.message


async def test_the_worst_branch_is_named() -> None:
    wide = SupervisorSpec("wide", [tower(9)], intensity=Intensity(2))
    spec = SupervisorSpec("s", [tower(10), wide], intensity=Intensity(1))
    [warning] = await warnings(spec, top=2)
    assert warning.supervisors == ("top", "top/s", "top/s/wide", "top/s/wide/s1")


@pytest.mark.parametrize(
    ("spec", "top"),
    [
        (SupervisorSpec("s"), None),  # the defaults, on two levels
        (tower(4), 5),
        (tower(20), 1),
        (tower(9, 9), 0),
        (tower(10, restart=Restart.TEMPORARY), 10),  # it is not restarted, so nothing multiplies
    ],
)
async def test_sensible_trees_are_not_warned_of(spec: SupervisorSpec, top: int | None) -> None:
    assert await warnings(spec, top=top) == []


async def test_levels_that_are_added_later_count(company: Company) -> None:
    events = EventStream()
    async with (
        listen(events, IntensityWarning) as heard,
        Supervisor("top", events=events, intensity=Intensity(2)) as supervisor,
    ):
        nested = await supervisor.start_supervisor(tower(3))
        assert heard.received == ()
        await nested.start_supervisor(SupervisorSpec("more", intensity=Intensity(4)))
    assert [type(event) for event in heard.received] == [IntensityWarning]
