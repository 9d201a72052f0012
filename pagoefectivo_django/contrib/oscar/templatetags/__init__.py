"""Template tags for the pages of Oscar."""
