"""Checks of a whole service that fail now and then, everywhere, or for good; and what they find kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import MakePlace
from .history import ids, stop_when_landed, tickets
from .places import Place, Work, good, part

pytestmark = pytest.mark.slow

CHECK = """\
aside=$1
find . -path ./.git -prune -o -type f -printf '%P %i %T@\\n' > "$aside/seen-$(ls "$aside" | grep -c seen-)"
test -e cache/warm && echo warm >> "$aside/found"
mkdir -p cache && touch cache/warm
if test -e parts/flaky.txt && ! test -e "$aside/raced"; then
    echo changed > lib/0/file0.txt; rm lib/1/file1.txt; touch stray.txt
    touch "$aside/raced"; echo "lost the race"; exit 3
fi
if test -e parts/unlucky.txt && ! test -e "$aside/over"; then
    touch "$aside/over" "$aside/outage"
fi
if test -e "$aside/outage"; then echo "no network"; exit 4; fi
if grep -q bad parts/*.txt; then
    seq 5000
    printf '\\033[31mFAILED parts: a bad one\\033[0m\\n  in parts\\n'
    seq 5000
    exit 5
fi
"""

FILES = {f"lib/{number % 40}/file{number}.txt": f"{number}\n" for number in range(2000)}


@pytest.mark.req("V1-24", "V1-26", "V1-28")
def test_who_is_blamed_for_a_check_that_fails(make: MakePlace, tmp_path: Path) -> None:
    aside = tmp_path / "0" / "aside"  # where `make` puts it for its first place
    wrong = Work("wrong", [[part("wrong", "bad"), ["submit"]], [part("wrong"), ["submit"]]], "flaky")
    place: Place = make(
        {"alpha": [good("flaky"), wrong, good("unlucky", depends="wrong")]},
        config={"checks": [["/bin/sh", "check.sh", str(aside)]], "checkCaches": ["cache/"]},
        files={"check.sh": CHECK, ".gitignore": "cache/\n"} | FILES,
    )
    service = place.run()

    service.wait_for(f"{ids(place)['flaky']} landed")
    service.wait_for(f"flaky check of {ids(place)['flaky']}: `/bin/sh check.sh .*` failed, then passed")
    flakes = place.status()["flakes"]
    (flake,) = flakes["last"]
    assert (flakes["count"], flake["subject"], flake["exit_code"]) == (1, ids(place)["flaky"], 3)
    assert (place.root / flake["log"]).read_text() == "lost the race\n"
    assert "Flaky checks: 1 seen; the last: " in place.scriptorium("status").stdout

    # Between the two runs only what the first had touched was written again.
    first, second = (set((aside / f"seen-{number}").read_text().splitlines()) for number in (1, 2))
    assert {line.partition(" ")[0] for line in first - second} == {"lib/0/file0.txt", "lib/1/file1.txt"}
    assert {line.partition(" ")[0] for line in second - first} == {
        "lib/0/file0.txt", "lib/1/file1.txt", "cache/warm",
    }  # fmt: skip
    assert len(first & second) >= 2000

    service.wait_for(f"{ids(place)['wrong']} landed")
    told = place.events("start", "wrong")[1]["prompt"]
    assert "failed (exit code 5)" in told
    assert "4999\n5000\nFAILED parts: a bad one\n  in parts\n1\n2\n" in told

    service.wait_for("base branch main is red")
    assert tickets(place)["unlucky"] == "in-progress"
    assert "but so does main now" in service.log
    (aside / "outage").unlink()
    place.commit({"parts/more.txt": "good more\n"})
    stop_when_landed(place, service, 3)
    assert len(place.events("start", "unlucky")) == 1
    # Kept from a ticket's first run to its second, and in the worktree of the base.
    assert (aside / "found").read_text().count("warm") >= 4
