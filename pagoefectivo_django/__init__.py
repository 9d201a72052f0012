"""Be paid in cash, by online banking or by wallet in Peru, through PagoEfectivo."""
