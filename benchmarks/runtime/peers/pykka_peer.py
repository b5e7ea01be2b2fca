"""pykka: a `ThreadingActor`, told by the main thread with `ActorRef.tell`, the fastest way it documents.

(A proxy makes an envelope and a future more for each call.)
"""

import threading
import time

import pykka


class Counter(pykka.ThreadingActor):  # type: ignore[misc] # mypy is told to see no types
    def __init__(self, last: int, done: threading.Event) -> None:
        super().__init__()
        self.last = last
        self.done = done

    def on_receive(self, message: int) -> None:
        if message == self.last:
            self.done.set()


def tell(messages: int) -> float:
    done = threading.Event()
    ref = Counter.start(messages - 1, done)
    start = time.perf_counter()
    for number in range(messages):
        ref.tell(number)
    done.wait()
    seconds = time.perf_counter() - start
    ref.stop()
    return messages / seconds
