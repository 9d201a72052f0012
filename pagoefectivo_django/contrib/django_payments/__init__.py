"""A bridge to django-payments: PagoEfectivo as a provider of the package."""
