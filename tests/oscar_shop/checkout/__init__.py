"""The shop's fork of Oscar's checkout."""
