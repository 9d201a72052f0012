"""An order from its creation to its end: each verb of the shop's, and the actions that wait for the provider."""
