"""The plan branch: the state of the whole system, read as snapshots and changed by transitions.

Import from the modules. This file stays empty of imports, so that a command that only reads a ref
pays for nothing else.
"""
