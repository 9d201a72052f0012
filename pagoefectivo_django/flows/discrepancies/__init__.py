"""What a person does about a discrepancy: assign, comment, resolve, reopen."""
