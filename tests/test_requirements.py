"""The table of requirements, the ids that tests carry, and what `make requirements` makes of both."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _tool() -> ModuleType:
    name = "scriptorium_requirements_tool"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "requirements.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


TOOL = _tool()


def record(folder: Path, suite: str, tests: dict[str, tuple[list[str], str]]) -> None:
    listed = {nodeid: {"ids": ids, "outcome": outcome} for nodeid, (ids, outcome) in tests.items()}
    (folder / f"{suite}.json").write_text(json.dumps({"suite": suite, "tests": listed}))


def ids_in(tree: ast.AST) -> Iterator[str]:
    """Every id in a `pytest.mark.req(...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "req":
            yield from (str(word.value) for word in node.args if isinstance(word, ast.Constant))


def test_the_document_has_every_row_once_and_each_says_how_it_is_shown() -> None:
    rows = TOOL.read_rows(TOOL.DOCUMENT.read_text())
    names = [row.id for row in rows]
    assert names[:5] == ["V1-00a", "V1-00b", "V1-00c", "V1-00d", "V1-00e"]
    assert [name for name in names if name.startswith("V1-") and len(name) == 5] == [
        f"V1-{number:02d}" for number in range(1, 36)
    ]
    assert [name for name in names if name.startswith("CA-")] == [
        f"CA-{number:02d}" for number in range(1, 12)
    ]
    assert all(row.text for row in rows)


def test_no_test_carries_an_id_that_the_document_does_not_know() -> None:
    known = {row.id for row in TOOL.read_rows(TOOL.DOCUMENT.read_text())}
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / "tests").rglob("*.py")
        for name in ids_in(ast.parse(path.read_text()))
        if name not in known
    }
    assert unknown == set()


def test_an_id_used_for_two_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="V1-01"):
        TOOL.read_rows("| V1-01 | a | b |\n| V1-01 | c | d |\n")


def test_a_row_is_missing_until_a_test_passes_and_failed_when_one_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "unit", {"t.py::a[1]": (["V1-01"], "passed"), "t.py::a[2]": (["V1-01"], "passed")})
    record(tmp_path, "system", {"s.py::b": (["V1-02", "V1-01"], "skipped"), "s.py::c": (["V1-03"], "failed")})
    assert TOOL.main(["--records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "V1-01   passed" in out
    assert "t.py::a (unit: 2 passed)" in out
    assert "s.py::b (system: 1 skipped)" in out
    assert "V1-02   missing" in out
    assert "V1-03   failed" in out
    assert "\nfailed: V1-03\n" in out


def test_strict_fails_for_the_kinds_and_ids_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "unit", {"t.py::a": (["V1-01", "V1-02"], "passed"), "t.py::b": (["U-01"], "skipped")})
    for strict, code in [
        ("V1-01", 0),
        ("V1-01..V1-02", 0),
        ("V1-01..V1-03", 1),
        ("V1,CA", 1),
        ("U", 1),
        ("X", 2),
    ]:
        assert TOOL.main(["--records", str(tmp_path), "--strict", strict]) == code, strict
    assert "X is no kind and no id" in capsys.readouterr().err


def test_a_damaged_record_counts_as_no_test_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "unit.json").write_text('{"tests": [')
    assert TOOL.main(["--records", str(tmp_path), "--strict", "V1-01"]) == 1
    assert "unit.json is left out" in capsys.readouterr().err


PASSING_AND_FAILING = """
import pytest

@pytest.mark.req("V1-01", "V1-02")
@pytest.mark.req("V1-03")
def test_good(): pass

@pytest.mark.req("V1-01")
def test_bad(): assert False

@pytest.mark.req("V1-01")
def test_skipped(): pytest.skip("why not")

@pytest.fixture
def breaks():
    yield
    raise RuntimeError

@pytest.mark.req("V1-04")
def test_bad_at_its_end(breaks): pass

def test_without_an_id(): pass
"""


@pytest.mark.slow
def test_what_ran_is_recorded_and_a_later_run_by_hand_forgets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_it.py").write_text(PASSING_AND_FAILING)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    req: id\n")
    monkeypatch.delenv("SCRIPTORIUM_SUITE", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    for extra in ((), ("-k", "test_good")):
        subprocess.run([*command, *extra], cwd=tmp_path, capture_output=True, check=False)
        tests = json.loads((tmp_path / ".requirements" / "unit.json").read_text())["tests"]
        assert tests == {
            "tests/test_it.py::test_good": {"ids": ["V1-01", "V1-02", "V1-03"], "outcome": "passed"},
            "tests/test_it.py::test_bad": {"ids": ["V1-01"], "outcome": "failed"},
            "tests/test_it.py::test_skipped": {"ids": ["V1-01"], "outcome": "skipped"},
            "tests/test_it.py::test_bad_at_its_end": {"ids": ["V1-04"], "outcome": "failed"},
        }
    monkeypatch.setenv("SCRIPTORIUM_SUITE", "unit")
    subprocess.run([*command, "-k", "test_good"], cwd=tmp_path, capture_output=True, check=False)
    fresh = json.loads((tmp_path / ".requirements" / "unit.json").read_text())["tests"]
    assert list(fresh) == ["tests/test_it.py::test_good"]


LEAVING_THINGS_BEHIND = """
import socket, subprocess
kept = []
def test_process():
    pipe = subprocess.PIPE
    kept.append(subprocess.Popen(["sh", "-c", "echo; read line"], stdin=pipe, stdout=pipe))
    kept[0].stdout.readline()  # in the middle of an exec a process has no command line
def test_socket(): kept.append(socket.socket())
def test_cycle():
    class Node: pass
    node = Node(); node.me = node; node.socket = socket.socket(); node.socket.close()
def test_clean(): subprocess.run(["true"], check=True)
"""


@pytest.mark.slow
def test_a_test_that_leaves_a_process_or_a_socket_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("SCRIPTORIUM_SUITE", raising=False)

    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_it.py").write_text(LEAVING_THINGS_BEHIND)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    req: id\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rE", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "4 passed, 2 errors" in done.stdout
    assert "(sh -c echo; read line)" in done.stdout
    assert "ERROR tests/test_it.py::test_process" in done.stdout
    assert "ERROR tests/test_it.py::test_socket" in done.stdout
