"""The highest id that any ticket has used outside the plan branch."""

from __future__ import annotations

from scriptorium.actors.logs import highest_logged_ticket
from scriptorium.code.pins import highest_ticket_id
from scriptorium.code.repository import Project, open_repository


def highest_used_id(project: Project) -> int:
    """In branches, refs and logs; 0 for none. New tickets get higher ones."""
    return max(highest_ticket_id(open_repository(project)), highest_logged_ticket(project.logs_dir))
