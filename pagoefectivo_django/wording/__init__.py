"""Facts in words: events, evidence and errors in the active language; no database, no network."""
