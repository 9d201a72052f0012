"""The outbox: deliver events to the shop's receivers, each delivery until the receiver succeeds; time budgets."""
