"""Idempotency keys: a request that comes again is carried out once."""
