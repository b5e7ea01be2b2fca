"""The code side of git: base branch, ticket branches, worktrees, capturing, merging, landing.

Import from the modules; this file stays empty of imports so that `status` starts quickly.
"""
