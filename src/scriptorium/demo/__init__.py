"""The demo: a sample repository, built-in agents, and a display. The rest is the product's own path."""
