"""Integrations of other packages, each an app of its own."""
