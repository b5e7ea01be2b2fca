"""`scriptorium logs`, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Scriptorium

STARTED = '{"type": "thread.started", "thread_id": "t1"}\n'
SAID = '{"type": "item.completed", "item": {"id": "1", "type": "agent_message", "text": "%s"}}\n'


@pytest.fixture
def place(repo: Path) -> Path:
    """A repository in which ticket 0004 had two attempts."""
    folder = repo / ".scriptorium" / "logs" / "0004"
    folder.mkdir(parents=True)
    (folder / "1.jsonl").write_text(STARTED + SAID % "first")
    (folder / "2.jsonl").write_text(STARTED + SAID % "second \\u001b[31m" + "half a line")
    (folder / "2.last-message.md").write_text("second")
    return repo


@pytest.mark.slow
@pytest.mark.req("CA-04")
def test_the_newest_attempt_is_shown_readably_and_safely(scriptorium: Scriptorium, place: Path) -> None:
    done = scriptorium("logs", "0004", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "0004, attempt 2\nsession t1\nsecond \\x1b[31m\n"
    assert scriptorium("logs", "0004", "--attempt", "1", cwd=place).stdout == "session t1\nfirst\n"


@pytest.mark.slow
@pytest.mark.req("CA-04")
def test_raw_is_every_byte(scriptorium: Scriptorium, place: Path) -> None:
    done = scriptorium("logs", "0004", "--raw", cwd=place)
    assert done.stdout.encode() == (place / ".scriptorium" / "logs" / "0004" / "2.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("0005",), "0005: no logs of that name; there are logs of 0004"),
        (("../logs/0004",), "../logs/0004: no logs of that name; there are logs of 0004"),
        (("0004", "--attempt", "7"), "0004: there is no attempt 7; the newest is 2"),
    ],
)
def test_what_is_not_there_is_said(
    scriptorium: Scriptorium, place: Path, words: tuple[str, ...], message: str
) -> None:
    done = scriptorium("logs", *words, cwd=place)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"scriptorium: {message}\n"


@pytest.mark.slow
def test_a_link_that_an_agent_planted_is_not_followed(scriptorium: Scriptorium, place: Path) -> None:
    (place / "secret").write_text("secret")
    (place / ".scriptorium" / "logs" / "0004" / "3.jsonl").symlink_to(place / "secret")
    done = scriptorium("logs", "0004", cwd=place)
    assert done.returncode == 1
    assert "secret" not in done.stdout
    os.mkfifo(place / ".scriptorium" / "logs" / "0004" / "4.jsonl")
    assert scriptorium("logs", "0004", cwd=place).returncode == 1


@pytest.mark.slow
@pytest.mark.req("CA-04")
def test_following_shows_what_comes_and_goes_on_with_the_next_attempt(place: Path) -> None:
    folder = place / ".scriptorium" / "logs" / "0004"
    with subprocess.Popen(
        [Path(sys.executable).with_name("scriptorium"), "logs", "0004", "--follow"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["0004, attempt 2\n", "session t1\n"]
        process.stdout.readline()
        with (folder / "2.jsonl").open("a") as file:
            file.write("\n" + SAID % "more")
        assert process.stdout.readline() == "more\n"
        (folder / "3.jsonl").write_text(STARTED)
        assert [process.stdout.readline() for _ in range(2)] == ["0004, attempt 3\n", "session t1\n"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
