"""The one writer of states and payments: it locks an order, reads it again, asks the tables and writes what became of it."""
