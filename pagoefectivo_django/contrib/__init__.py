"""Bridges to other packages, each an app of its own."""
