"""Statements of what the provider paid out: read, matched with payments, compared with deposits."""
