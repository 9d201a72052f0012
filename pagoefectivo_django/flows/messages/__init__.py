"""Messages to payers and staff: the voucher's content, mails, short texts, reminders, alerts."""
