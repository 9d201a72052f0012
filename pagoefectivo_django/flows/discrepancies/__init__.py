"""Staff's actions on a discrepancy: assign, comment, resolve, reopen."""
