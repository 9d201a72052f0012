"""Documents made from plain values: voucher, evidence, barcode, QR, charts, CSV, XLSX; no database, no network."""
