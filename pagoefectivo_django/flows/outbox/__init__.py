"""Events reach the shop's receivers: each delivery until its receiver has had it, within a time budget."""
