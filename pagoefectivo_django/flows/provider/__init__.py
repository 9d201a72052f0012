"""Which channel serves an account; questions to providers at the account's pace, and the log of every call."""
