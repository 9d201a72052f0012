"""A refund from the request to its end: approved by a person, sent by the channel or by hand."""
