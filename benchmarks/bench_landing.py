"""What landing one ticket costs at 2,000 files, the checks excluded, beside its targets.

The peer is the `git` program, which takes the same steps in the same run. Prints a table, or JSON with
`--json`; exit 1 when a target is missed, saying which. What is measured, and how: the modules of
``benchmarks/landing``.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a file, the folder on the path is this one; the package of the figures lies in the one above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("benchmarks.landing", run_name="__main__")
