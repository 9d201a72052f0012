"""Which channel serves an account; what is asked of it, in batches at the account's pace, and the log of those calls."""
