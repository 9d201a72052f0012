"""What payers and staff are told: the voucher's content, mails, texts, reminders, alerts."""
