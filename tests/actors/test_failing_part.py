"""What an agent is told of a failed check's output: the part that says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptorium.actors.failing_part import (
    LEFT_OUT,
    LIMIT_CHARACTERS,
    READ_BYTES,
    failing_part,
    failing_part_of,
)

BEFORE = [f"building part {number} of many, all is well" for number in range(500)]
AFTER = [f"cleaning up after part {number}, 0 errors, 0 failed" for number in range(500)]

PYTEST = """\
=================================== FAILURES ===================================
_________________________________ test_answer __________________________________

    def test_answer():
>       assert answer() == 42
E       assert 41 == 42

tests/test_answer.py:5: AssertionError""".splitlines()
PYTHON = """\
Traceback (most recent call last):
  File "run.py", line 3, in <module>
    main()
KeyError: 'answer'""".splitlines()
GCC = [
    "src/answer.c:7:12: error: expected ';' before 'return'",
    "    7 |     return 42",
    "      |     ^~~~~~",
]
LINKER = ["/usr/bin/ld: main.o: in function `main':", "main.c:(.text+0x9): undefined reference to `answer'"]
CARGO = """\
error[E0308]: mismatched types
 --> src/lib.rs:2:5
  |
2 |     "42"
  |     ^^^^ expected `i32`, found `&str`""".splitlines()
RUST_TEST = """\
---- tests::answer stdout ----
thread 'tests::answer' panicked at src/lib.rs:9:9:
assertion `left == right` failed""".splitlines()
GO = ["--- FAIL: TestAnswer (0.00s)", "    answer_test.go:7: got 41, want 42"]
JEST = ["FAIL src/answer.test.js", "  ● answers", "    Expected: 42", "    Received: 41"]
TYPESCRIPT = ["src/answer.ts(2,3): error TS2322: Type 'string' is not assignable to type 'number'."]
NPM = ["npm ERR! missing script: test"]
TAP = ["not ok 3 - answers", "  expected: 42"]
MAKE = ["make: *** [Makefile:4: test] Error 1"]
CRASH = ["Segmentation fault (core dumped)"]


@pytest.mark.parametrize(
    "failure",
    [PYTEST, PYTHON, GCC, LINKER, CARGO, RUST_TEST, GO, JEST, TYPESCRIPT, NPM, TAP, CRASH],
    ids=["pytest", "python", "gcc", "ld", "cargo", "rust", "go", "jest", "tsc", "npm", "tap", "crash"],
)
def test_the_failure_is_told_and_the_end(failure: list[str]) -> None:
    told = failing_part([*BEFORE, *failure, *AFTER, *MAKE])
    assert "\n".join(failure) in told
    assert told.splitlines()[0] == LEFT_OUT
    assert told.endswith("\n".join([*AFTER[-10:], *MAKE]))
    assert len(told) <= LIMIT_CHARACTERS


def test_the_first_of_many_failures_are_told() -> None:
    failures = [line for number in range(500) for line in (f"FAIL part {number}", "why", "where")]
    told = failing_part([*BEFORE, *failures, *AFTER])
    assert "FAIL part 0\nwhy\nwhere\nFAIL part 1\n" in told
    assert told.count(LEFT_OUT) == 2


def test_short_output_is_told_whole_and_output_without_a_failure_by_its_end() -> None:
    assert failing_part(["a", "", "b"]) == "a\n\nb"
    assert failing_part([]) == ""
    told = failing_part(AFTER * 2)
    assert told.startswith(LEFT_OUT)
    assert told.endswith("\n".join(AFTER[-70:]))


def test_what_a_terminal_acts_on_is_not_told() -> None:
    wild = ["\x1b[31merror:\x1b[0m no\x07 way\x00", "\x1b]0;title\x07plain\u202e", "\ud800ok\x9b"]
    assert failing_part(wild) == "error: no way\nplain\nok"


@settings(max_examples=40)
@given(
    st.lists(
        st.text(max_size=60) | st.just("FAILED here") | st.text(min_size=401, max_size=900), max_size=120
    )
)
def test_it_is_bounded_whatever_the_output(lines: list[str]) -> None:
    told = failing_part(lines, limit=900)
    assert len(told) <= 900
    assert not set(told) & {"\x1b", "\x00", "\x07", "\r", "\u202e", "\x9b"}


def test_a_log_is_read_from_its_start_and_a_long_one_by_its_end_too(tmp_path: Path) -> None:
    log = tmp_path / "check-1.log"
    log.write_bytes(b"one\r\n10%\r100%\nerror: \xff two")
    assert failing_part_of(log, b"") == "one\n100%\nerror: \ufffd two"
    with log.open("wb") as file:
        file.write(b"error: the cause\n" + b"x" * 5000 + b" its end\n")
        os.truncate(file.fileno(), READ_BYTES + 1)
    told = failing_part_of(log, b"\nthe end\n")
    assert told.startswith("error: the cause\nxxxx")
    assert " its end\n" in told
    assert told.endswith("the end")
    assert failing_part_of(tmp_path / "gone", b"FAILED\n") == "FAILED"
