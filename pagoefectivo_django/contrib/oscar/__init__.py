"""An integration by which a shop of django-oscar is paid by PagoEfectivo."""
