"""The figures of `scriptorium.runtime` beside their targets, each against a peer or a limit in the same run.

Prints a table, or JSON with `--json`; exit 1 when a target is missed, saying which. What is measured, and
how: the modules of ``benchmarks/runtime``.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a file, the folder on the path is this one; the package of the figures lies in the one above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("benchmarks.runtime", run_name="__main__")
