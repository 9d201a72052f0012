"""The inbox: verified messages are kept first and applied at once or later; hints lead to questions to the provider."""
