"""What a whole queue costs with real checks: beside its parts, and beside another merge queue, mergetrain.

Prints a table, or JSON with `--json`; exit 1 when a target is missed, saying which. What is measured, and
how: the modules of ``benchmarks/merge_queue``.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a file, the folder on the path is this one; the package of the figures lies in the one above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("benchmarks.merge_queue", run_name="__main__")
