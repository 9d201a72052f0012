"""Judges the settings before a payer does."""
