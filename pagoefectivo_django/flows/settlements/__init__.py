"""Statements of a provider's payouts: read, matched with payments, compared with deposits at the bank."""
