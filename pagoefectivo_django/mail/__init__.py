"""What the payer is written, as a mail or as a short text. Pure: no database, no network."""
