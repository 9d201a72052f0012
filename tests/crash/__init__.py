"""Processes that are killed in the middle of a flow, and the books after others went on."""
