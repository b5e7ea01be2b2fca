"""scriptorium turns a written spec into landed code with a crew of AI coding agents."""

__version__ = "0.1.0"
