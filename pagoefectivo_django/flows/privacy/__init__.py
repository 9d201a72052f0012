"""Erasure of personal data, by age or on a payer's request."""
