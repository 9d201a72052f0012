"""Messages to payers and staff, as mails or SMS texts, composed without database or network."""
