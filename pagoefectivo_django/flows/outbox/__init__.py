"""The outbox: deliver events to receivers, each until the receiver succeeds; number events; time budgets."""
