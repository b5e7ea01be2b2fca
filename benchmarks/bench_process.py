"""What the process runner and a service full of agents cost, beside their targets.

The peer of reading is a bare loop that does the same and nothing else: read the pipe, write the file, parse
each line. Prints a table, or JSON with `--json`; exit 1 when a target is missed, saying which. What is
measured, and how: the modules of ``benchmarks/process``.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a file, the folder on the path is this one; the package of the figures lies in the one above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("benchmarks.process", run_name="__main__")
