"""Be paid in cash, by online banking or by wallet in Peru, through PagoEfectivo."""

#: setup.cfg reads it from here.
__version__ = "0.1.0"
