"""Agent CLIs behind one interface, and the one place that starts, feeds, watches, logs and kills processes.

Import from the modules; this file stays empty of imports so that `status` can read run records quickly.
"""
