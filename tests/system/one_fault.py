"""One system call of a child's first try fails; before its second, the test looks at what there is."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import define

from .syscalls import Answer, Call

ERRORS: Final = (errno.ENOSPC, errno.EIO, errno.EACCES)
_OVER: Final = "over"


def first_try_is_over(root: Path) -> None:
    """Said by the child, once its caller was told the outcome: from now on nothing fails."""
    (root / _OVER).touch()


@define
class OneFault:
    """To be asked about the calls below the root of a child: the one of that number fails with `error`.

    `look` is called between the two tries, while the child stands still.
    """

    number: int
    error: int
    look: Callable[[], None]
    failed: Call | None = None
    is_over: bool = False

    def __call__(self, call: Call) -> Answer | int:
        """What becomes of a call."""
        if self.is_over:
            return Answer.GO_ON
        if call.path == _OVER:
            self.is_over = True
            self.look()
        elif call.number == self.number:
            self.failed = call
            return self.error
        return Answer.GO_ON

    @property
    def what_stays(self) -> list[str]:
        """The file that could not be removed because of this fault."""
        return [self.failed.path] if self.failed is not None and self.failed.name == "unlink" else []

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error]} from {self.failed}"
