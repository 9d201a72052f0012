"""The ledger, the only writer of order states and payments.

``advance`` locks the orders, reads the rows again, consults the state tables, and writes states, events and deliveries.
"""
