"""What people read when a command fails."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scriptorium.cli import main
from scriptorium.cli.failure import Failure, printable, tell


def test_a_failure_is_a_line_for_each_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(Failure("one\ntwo", 78)) == 78
    assert capsys.readouterr().err == "scriptorium: one\nscriptorium: two\n"


def test_what_nobody_expected_is_a_line_too_and_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tell(ValueError("odd\nsecond line")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("scriptorium: unexpected ValueError: odd (a bug")
    assert "SCRIPTORIUM_DEBUG=1" in line


def test_the_traceback_is_shown_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTORIUM_DEBUG", "1")
    assert tell(KeyError("key")) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("KeyError")
    assert shown.splitlines()[-1].startswith("scriptorium: unexpected KeyError")


def test_the_system_s_own_errors_name_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(OSError(errno.ENOSPC, "No space left on device", "/a/b")) == 1
    assert capsys.readouterr().err == "scriptorium: /a/b: No space left on device\n"


def test_interrupted_is_not_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "scriptorium: interrupted\n"


def test_nothing_in_an_error_can_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Failure("branch \x1b[31mred\x07 and \udcff"))
    assert capsys.readouterr().err == "scriptorium: branch \\x1b[31mred\\x07 and \\udcff\n"
    assert printable("häuser ok") == "häuser ok"


def test_another_system_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["status"]) == 1
    assert "runs on Linux only, and this is darwin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "Missing command"),
        ("nonsense", "nonsense"),
        ("statu", "statu"),
        ("status --jsn", "--jsn"),
        ("status extra", "extra"),
        ("run --port x", "--port"),
        ("run --port 65536", "--port"),
        ("submit", "SUMMARY"),
        ("plan prompt --from file", "not both"),
        ("-C", "-C needs a path"),
        ("status -C", "-C"),
        ("--frobnicate", "--frobnicate"),
    ],
)
@pytest.mark.req("V1-00a")
def test_wrong_usage_is_one_line_and_exit_2(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("scriptorium: ")
    assert told in line


def test_a_pipe_that_nobody_reads_is_no_news(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert main(["--version"]) == 1
    assert capfd.readouterr().err == ""


def test_an_empty_prompt_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", " "]) == 2
    assert "the prompt is empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["--version", "--help", "run --help"])
def test_a_full_disk_is_told_once_and_is_exit_1(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "scriptorium", *command.split()],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "scriptorium: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(closed: str) -> None:
    for words, code in (("--version", 0), ("nonsense", 2)):
        line = f'"{sys.executable}" -m scriptorium {words} {closed}'
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "unexpected" not in done.stderr
