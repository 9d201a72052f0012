"""Refunds from request to end: approved by a person, sent by the channel or by hand."""
