"""The worker: rounds of all due work."""
