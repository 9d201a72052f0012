"""A shop, as a developer would write it."""
