"""The one writer of states and payments: locks the order, reads it again, asks the tables, writes what became of it."""
