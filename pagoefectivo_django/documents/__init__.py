"""What a payer is handed: the voucher, its words, its barcode and QR, its PDF. Pure: no database, no network."""
