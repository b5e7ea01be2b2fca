"""The six actors, their pure decisions, and the service that they make. Import from the modules."""
