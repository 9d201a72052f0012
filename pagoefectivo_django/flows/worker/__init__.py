"""The clock's work: everything due, round after round."""
