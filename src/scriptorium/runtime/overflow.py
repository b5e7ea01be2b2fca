"""What becomes of a message that finds the mailbox full."""

from enum import Enum


class Overflow(Enum):
    """The policy of one actor, for `Ref.tell` and `Ref.ask` alike.

    `Ref.tell_nowait` cannot wait: under ``WAIT`` it raises `MailboxFull`; else it does as `Ref.tell` does.
    """

    WAIT = "the sender waits for room"
    FAIL = "the sender gets MailboxFull"
    DROP_OLDEST = "the oldest waiting message becomes a dead letter"
    DEAD_LETTER = "the new message becomes a dead letter"
