"""Verified messages are kept first and applied then, at once or later; hints make their code due."""
