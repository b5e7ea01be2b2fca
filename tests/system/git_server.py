"""A git server on loopback: git's own daemon, one process for each connection, and hooks that hold a push."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .service import clean_environment
from .waiting import until


class GitServer:
    """Serves the bare repository `origin.git` below a folder, pushes included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "origin.git"
        self._entered, self._gate = folder / "entered", folder / "gate"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "--bare", "-b", "main", str(self.repository))
        os.mkfifo(self._gate)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def url(self) -> str:
        return f"git://127.0.0.1:{self._socket.getsockname()[1]}/origin.git"

    def git(self, *words: str) -> str:
        """What git says, run beside the repository."""
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder, env=clean_environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def tip(self) -> str:
        """Where the branch is; empty when there is none."""
        words = (
            "--git-dir",
            str(self.repository),
            "for-each-ref",
            "--format=%(objectname)",
            "refs/heads/main",
        )
        return self.git(*words)

    def refs(self) -> list[str]:
        return self.git("--git-dir", str(self.repository), "for-each-ref", "--format=%(refname)").split()

    def hook(self, script: str | None) -> None:
        """Put a `pre-receive` hook there, or take it away."""
        path = self.repository / "hooks" / "pre-receive"
        path.unlink(missing_ok=True)
        if script is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def hold_pushes(self) -> None:
        """Each push is held until `refuse_held`, and then refused."""
        self.hook(f": > '{self._entered}'; read line < '{self._gate}'; exit 1")

    def await_held(self) -> None:
        """Wait until a push is held."""
        until(self._entered.exists, "a push")

    def refuse_held(self) -> None:
        """Let the one that is held go on."""
        self._gate.write_text("on\n")

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            words = ("--inetd", "--export-all", "--enable=receive-pack", f"--base-path={self.folder}")
            with connection:
                process = subprocess.Popen(
                    ["git", "daemon", *words, str(self.folder)],
                    env=clean_environment(), stdin=connection.fileno(), stdout=connection.fileno(),
                    stderr=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
                self._processes.append(process)
