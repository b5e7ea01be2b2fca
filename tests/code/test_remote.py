"""The base branch at a remote: asked, and moved on by fast-forward only."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pygit2
import pytest
from attrs import evolve
from pygit2.enums import CredentialType

from scriptorium.code import remote as remotes
from scriptorium.code.carrier import FOLDER_NAME, clear_carriers
from scriptorium.code.remote import (
    Pushed,
    Relation,
    Remote,
    RemoteFailed,
    RemoteMoved,
    RemoteUnusable,
    open_remote,
)
from scriptorium.code.remote_access import AccessDenied, Callbacks, RemoteAccess
from scriptorium.code.repository import ensure_state_dir
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import compare_and_swap
from tests.code.conftest import Fixture

SECRET = "s3cret-token"
MAIN = "refs/heads/main"


@pytest.fixture
def origin(fixture: Fixture, tmp_path: Path) -> Path:
    """A bare repository without a branch, known as `origin`."""
    path = tmp_path / "origin.git"
    pygit2.init_repository(str(path), bare=True)
    fixture.open().remotes.create("origin", str(path))
    ensure_state_dir(fixture.project)
    return path


@pytest.fixture
def remote(fixture: Fixture, origin: Path) -> Remote:
    """`origin`, with the base branch where it is here."""
    found = open_remote(fixture.project, "origin", "main")
    assert found.tip() is None
    assert found.push(fixture.tip()) == Pushed(fixture.tip())
    return found


def tip_of(origin: Path) -> Oid:
    return Oid(str(pygit2.Repository(str(origin)).references[MAIN].target))


def push_theirs(origin: Path) -> Oid:
    """Somebody else's commit on top of what the remote has, which we do not have."""
    repo, person = pygit2.Repository(str(origin)), pygit2.Signature("B", "b@example.org", 1_700_000_001, 0)
    tip = tip_of(origin)
    tree = repo.TreeBuilder(repo[tip].peel(pygit2.Tree))
    tree.insert("theirs", repo.create_blob(tip.encode()), pygit2.enums.FileMode.BLOB)
    return Oid(str(repo.create_commit(MAIN, person, person, "theirs", tree.write(), [tip])))


def test_the_base_is_pushed_and_nothing_else(fixture: Fixture, origin: Path, remote: Remote) -> None:
    fixture.commit({"x": "x"}, branch="another", parents=[fixture.tip()])
    ours = fixture.land({"a.txt": "a"})
    assert remote.relation(ours, tip_of(origin)) is Relation.BEHIND
    assert remote.lacks(ours, tip_of(origin)) == 1
    assert remote.push(ours) == Pushed(ours)
    assert remote.push(ours) == Pushed(ours)
    assert remote.tip() == ours
    there = pygit2.Repository(str(origin))
    assert list(there.references) == [MAIN]
    assert there[ours].peel(pygit2.Tree)["a.txt"].peel(pygit2.Blob).data == b"a"
    assert str(fixture.open().references["refs/remotes/origin/main"].target) == ours
    assert list((fixture.project.state_dir / FOLDER_NAME).iterdir()) == []


def test_what_somebody_pushed_is_fetched_and_never_overwritten(
    fixture: Fixture, origin: Path, remote: Remote
) -> None:
    before = fixture.tip()
    found = push_theirs(origin)
    assert remote.tip() == found
    assert remote.relation(before, found) is Relation.AHEAD
    assert found in fixture.open()
    assert fixture.tip() == before, "only landing moves the base"
    ours = fixture.land({"a.txt": "a"})
    newer = push_theirs(origin)
    assert remote.push(ours) == RemoteMoved(newer)
    assert remote.relation(ours, newer) is Relation.APART
    assert tip_of(origin) == newer


def test_only_what_the_base_lacks_is_fetched(fixture: Fixture, origin: Path, remote: Remote) -> None:
    push_theirs(origin)
    remote.tip()
    (pack,) = (fixture.project.git_dir / "objects" / "pack").glob("*.idx")
    # Its fan-out table ends with the count: a commit, a tree and a file.
    assert int.from_bytes(pack.read_bytes()[8 + 255 * 4 :][:4]) == 3


@pytest.fixture(params=[remotes.FEW_BYTES, 0], ids=["few", "many"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A little is copied by way of memory, and much by libgit2."""
    monkeypatch.setattr(remotes, "FEW_BYTES", request.param)


@pytest.mark.usefixtures("both_ways")
def test_all_that_is_new_arrives(
    fixture: Fixture, origin: Path, remote: Remote, run_git: Callable[..., str]
) -> None:
    base, other = fixture.tip(), fixture.commit({"deep/er/new.txt": "new\n", "link": ("link", "README.md")})
    fixture.land({"src/app.py": "print('two')\n"})
    run_git(fixture.root, "merge", "-q", "--no-ff", "-m", "merge", other)
    ours = fixture.tip()
    assert remote.push(ours) == Pushed(ours)
    assert run_git(origin, "fsck", "--strict", "--no-dangling") == ""
    listed = ("rev-list", "--objects", f"{base}..{ours}")
    assert run_git(origin, *listed) == run_git(fixture.root, *listed)


@pytest.mark.usefixtures("both_ways")
def test_a_push_that_comes_in_between_is_not_overwritten(
    fixture: Fixture, origin: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    raced = list[Oid]()

    def swap_late(repo: pygit2.Repository, name: str, *, new: Oid, old: Oid | None, message: str) -> None:
        if name == MAIN:
            raced.append(push_theirs(origin))
        compare_and_swap(repo, name, new=new, old=old, message=message)

    monkeypatch.setattr("scriptorium.code.remote.compare_and_swap", swap_late)
    assert remote.push(fixture.land({"a.txt": "a"})) == RemoteMoved(raced[0])
    assert tip_of(origin) == raced[0]


def test_an_error_after_the_push_arrived_is_no_failure(
    fixture: Fixture, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = Remote._push

    def cut_off(self: Remote, commit: Oid, callbacks: Callbacks) -> None:
        push(self, commit, callbacks)
        raise pygit2.GitError("the connection broke")

    monkeypatch.setattr(Remote, "_push", cut_off)
    ours = fixture.land({"a.txt": "a"})
    assert remote.push(ours) == Pushed(ours)


def test_what_an_agent_writes_into_the_settings_is_not_obeyed(
    fixture: Fixture, origin: Path, remote: Remote, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.git"
    pygit2.init_repository(str(elsewhere), bare=True)
    config = fixture.open().config
    config[f"url.{elsewhere}.insteadOf"] = str(origin)
    config["core.sshCommand"] = "false"
    assert remote.is_elsewhere()
    config["remote.origin.url"] = str(elsewhere)
    ours = fixture.land({"a.txt": "a"})
    assert remote.push(ours) == Pushed(ours)
    assert tip_of(origin) == remote.tip() == ours
    assert list(pygit2.Repository(str(elsewhere)).references) == []
    assert remote.is_elsewhere()


def test_a_repository_with_files_is_not_pushed_to(fixture: Fixture, tmp_path: Path) -> None:
    pygit2.init_repository(str(tmp_path / "files"))
    fixture.open().remotes.create("origin", str(tmp_path / "files"))
    ensure_state_dir(fixture.project)
    with pytest.raises(RemoteFailed, match="not a bare repository"):
        open_remote(fixture.project, "origin", "main").push(fixture.tip())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/nonexistent/x.git", "no repository at|not found at"),
        ("git://127.0.0.1:1/x.git", "Connection refused"),
        (f"https://me:{SECRET}@127.0.0.1:1/x.git", "Connection refused"),
    ],
)
def test_a_remote_that_is_not_there_fails_with_the_reason(fixture: Fixture, url: str, said: str) -> None:
    fixture.open().remotes.create("origin", url)
    ensure_state_dir(fixture.project)
    found = open_remote(fixture.project, "origin", "main")
    for exchange in (found.tip, lambda: found.push(fixture.tip())):
        with pytest.raises(RemoteFailed, match=said) as caught:
            exchange()
        assert SECRET not in f"{caught.value} {found.shown} {found!r}"


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["git", "http", "https", "ssh"])
def test_a_server_that_says_nothing_is_given_up(fixture: Fixture, silent: int, scheme: str) -> None:
    fixture.open().remotes.create("origin", f"{scheme}://127.0.0.1:{silent}/x.git")
    ensure_state_dir(fixture.project)
    found = open_remote(fixture.project, "origin", "main")
    pygit2.settings.server_timeout = 50
    with pytest.raises(RemoteFailed):
        found.tip()
    clear_carriers(fixture.project)


def test_other_threads_go_on_while_a_server_says_nothing(fixture: Fixture, silent: int) -> None:
    fixture.open().remotes.create("origin", f"git://127.0.0.1:{silent}/x.git")
    ensure_state_dir(fixture.project)
    found = open_remote(fixture.project, "origin", "main")
    pygit2.settings.server_timeout = 100
    over = threading.Event()

    def ask() -> None:
        with pytest.raises(RemoteFailed):
            found.tip()
        over.set()

    thread = threading.Thread(target=ask)
    thread.start()
    counted = 0
    while not over.is_set():
        counted += 1
    thread.join()
    assert counted > 100


@pytest.mark.parametrize("url", ["ext::sh -c 'touch x'", "persistent-https://x/y", "fd::3"])
def test_no_program_is_run_for_a_url(fixture: Fixture, url: str) -> None:
    fixture.open().remotes.create("origin", "x")
    fixture.open().config["remote.origin.url"] = url
    with pytest.raises(RemoteUnusable, match="git remote set-url origin URL"):
        open_remote(fixture.project, "origin", "main")


def test_a_remote_or_a_token_that_is_not_there_is_said(
    fixture: Fixture, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RemoteUnusable, match=r'no remote "up" .*there are: origin.*git remote add up URL'):
        open_remote(fixture.project, "up", "main")
    with pytest.raises(RemoteUnusable, match=r"tokenEnv: .*NO_SUCH_TOKEN"):
        open_remote(fixture.project, "origin", "main", token_env="NO_SUCH_TOKEN")
    monkeypatch.setenv("A_TOKEN", f" {SECRET}\n")
    found = open_remote(fixture.project, "origin", "main", token_env="A_TOKEN")
    assert found.access.token == SECRET
    assert SECRET not in repr(found)


def test_a_relative_path_is_one_from_the_checkout(fixture: Fixture, origin: Path) -> None:
    fixture.open().remotes.set_url("origin", "../origin.git")
    assert open_remote(fixture.project, "origin", "main").access.url == str(origin)


# ---- who we say we are, whom we believe


def test_a_token_goes_to_its_own_server_alone_and_never_in_the_clear() -> None:
    access = RemoteAccess("https://forge.example/a.git", SECRET)
    callbacks = Callbacks(access, {})
    wanted = CredentialType.USERPASS_PLAINTEXT
    assert callbacks.credentials(access.url, None, wanted).credential_tuple == ("x-access-token", SECRET)
    with pytest.raises(AccessDenied, match="does not accept"):
        callbacks.credentials(access.url, None, wanted)
    with pytest.raises(AccessDenied, match="tokenEnv"):
        Callbacks(evolve(access, token=None), {}).credentials(access.url, None, wanted)
    with pytest.raises(AccessDenied):
        Callbacks(access, {}).credentials("https://elsewhere.example/a.git", None, wanted)
    assert list(evolve(access, url="http://forge.example/a.git").passwords()) == []
    assert list(evolve(access, url="http://localhost/a.git").passwords()) == [("x-access-token", SECRET)]


def test_ssh_tries_the_agent_then_the_usual_keys_and_ends(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "id_ed25519").touch()
    callbacks = Callbacks(
        RemoteAccess("git@forge.example:a.git"), {"HOME": str(tmp_path), "SSH_AUTH_SOCK": "s"}
    )
    wanted = CredentialType.SSH_KEY
    given = [callbacks.credentials("ssh://forge.example/", "git", wanted) for _ in range(2)]
    assert [each.credential_tuple for each in given] == [
        ("git", None, None, None),
        ("git", None, str(folder / "id_ed25519"), ""),
    ]
    with pytest.raises(AccessDenied, match="ssh-add"):
        callbacks.credentials("ssh://forge.example/", "git", wanted)


def test_a_server_that_nobody_vouches_for_is_not_believed() -> None:
    for url, why in {
        "git@forge.example:a.git": "known_hosts",
        "https://forge.example/": "certificate",
    }.items():
        callbacks = Callbacks(RemoteAccess(url), {})
        with pytest.raises(AccessDenied, match=rf"forge\.example may be somebody else: .*{why}"):
            callbacks.certificate_check(None, False, b"forge.example")
        assert callbacks.certificate_check(None, True, b"forge.example")


def test_what_a_server_says_is_one_bounded_line_without_secrets() -> None:
    access = RemoteAccess("https://me:p%40ss@forge.example/a.git", SECRET)
    said = access.clean(f"no\x1b[31m\nway {SECRET} p@ss p%40ss \x07" + "x" * 1000)
    assert said.startswith("no [31m way *** *** *** xxx")
    assert len(said) == 500
    assert access.shown == "https://forge.example/a.git"
    assert access.local_path is None
    assert RemoteAccess("file:///a%20b/c.git").local_path == Path("/a b/c.git")
    assert RemoteAccess("git@forge.example:a.git").local_path is None
