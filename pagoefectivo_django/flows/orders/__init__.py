"""Orders: the verbs that create, change and end an order, and the pending actions behind the verbs."""
