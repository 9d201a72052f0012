"""A shop of django-oscar, of the settings and addresses that its manual names, that is paid by PagoEfectivo."""
