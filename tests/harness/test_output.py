"""Masking, cutting into lines, tails and logs: nothing depends on how the stream is cut into chunks."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.harness.output import MASK, LineSplitter, Masker, RunLog, Tail, mask

SECRETS = ("abababab", "abababcd", "babababx", "secret-with-\n-newline", 'quote"quote\\slash')


def masked(secrets: tuple[str, ...], chunks: list[bytes]) -> bytes:
    masker = Masker.of(secrets)
    return b"".join([*(masker.feed(chunk) for chunk in chunks), masker.flush()])


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Texts full of secrets and of beginnings of secrets, cut anywhere."""
    words = [secret[:end].encode() for secret in SECRETS for end in (2, 3, 5, 7, len(secret))]
    text = b"".join(draw(st.lists(st.sampled_from([*words, b"\n", b" "]), max_size=20)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=10)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.req("CA-04")
@given(streams())
def test_no_secret_passes_however_the_stream_is_cut(chunks: list[bytes]) -> None:
    text = b"".join(chunks)
    result = masked(SECRETS, chunks)
    assert result == mask(SECRETS, text)
    for secret in SECRETS:
        assert secret.encode() not in result
        if secret.encode() not in text:
            continue
        assert MASK in result


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_a_stream_without_secrets_passes_unchanged(chunks: list[bytes]) -> None:
    assert masked(("not in there at all",), chunks) == b"".join(chunks)
    assert masked((), chunks) == b"".join(chunks)


def test_a_secret_is_masked_as_json_writes_it() -> None:
    line = json.dumps({"text": 'here: quote"quote\\slash!'}).encode()
    assert json.loads(mask(SECRETS, line)) == {"text": "here: [masked]!"}


def test_a_short_value_is_no_secret() -> None:
    assert mask(("", "a", "1234567"), b"a 1234567") == b"a 1234567"


def test_a_whole_line_is_not_held_back() -> None:
    masker = Masker.of(("sk-12345678",))
    assert masker.feed(b"done sk-1\n") == b"done sk-1\n"
    assert masker.feed(b"half sk-1") == b"half "


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"x", b"\n")), max_size=20))
def test_lines_do_not_depend_on_the_chunks(chunks: list[bytes]) -> None:
    splitter = LineSplitter(1000)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()
    whole = b"".join(chunks).split(b"\n")
    assert lines == (whole if whole[-1] else whole[:-1])


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"x", b"\n")), max_size=20))
def test_a_line_is_cut_to_its_limit(chunks: list[bytes]) -> None:
    splitter = LineSplitter(5)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()
    whole = b"".join(chunks).split(b"\n")
    assert lines == [line[:5] for line in (whole if whole[-1] else whole[:-1])]


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_a_tail_is_the_end_of_the_stream(chunks: list[bytes]) -> None:
    tail = Tail(16)
    for chunk in chunks:
        tail.feed(chunk)
    assert tail.content == b"".join(chunks)[-16:]


@given(st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 100))
def test_a_log_holds_the_stream_up_to_its_limit(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], limit: int
) -> None:
    log = RunLog(tmp_path_factory.mktemp("log") / "1.jsonl", limit)
    log.create()
    for chunk in chunks:
        log.feed(chunk)
    log.close()
    text = b"".join(chunks)
    written = log.path.read_bytes()
    assert log.truncated == (len(text) > limit)
    assert written[: min(limit, len(text))] == text[:limit]
    if log.truncated:
        assert json.loads(written.splitlines()[-1]) == {
            "type": "scriptorium.log_limit",
            "limit_bytes": limit,
        }


def test_a_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "logs" / "1.jsonl", 10)
    log.create()
    log.close()
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_log_does_not_follow_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "1.jsonl").symlink_to(precious)
    with pytest.raises(FileExistsError):
        RunLog(tmp_path / "1.jsonl", 10).create()
    assert precious.read_text() == "mine"


def test_a_full_disk_ends_the_log_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog(tmp_path / "1.jsonl", 10)
    log.create()

    def full(fd: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.feed(b"x")
        log.feed(b"y")
    log.close()
    assert log.truncated
    assert log.error == f"{tmp_path}/1.jsonl: No space left on device"
