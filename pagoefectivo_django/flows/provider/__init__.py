"""Providers: the channel serving each account, questions at the account's pace, and the log of calls."""
