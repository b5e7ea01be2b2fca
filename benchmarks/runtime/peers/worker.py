"""The process of one peer: says whether the library is there, then measures for each line on standard input.

``python -m benchmarks.runtime.peers.worker pykka``
"""

import faulthandler
import gc
import importlib
import json
import sys
from importlib.metadata import version

LIMIT_SECONDS = 120.0
"""A peer that hangs ends with its stacks on standard error; the benchmark goes on without it."""


def main(name: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer

    def answer(**found: object) -> None:
        print(json.dumps(found), file=answers, flush=True)

    sys.stdin.readline()
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        answer(missing=str(error))
        return
    peer = importlib.import_module(f"benchmarks.runtime.peers.{name}_peer")
    answer(version=version(name))
    for line in sys.stdin:
        faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
        gc.collect()
        answer(rate=peer.tell(int(line)))
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(sys.argv[1])
