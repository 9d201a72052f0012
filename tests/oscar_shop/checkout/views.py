from oscar.apps.checkout import views

from pagoefectivo_django.contrib.oscar.checkout import PagoEfectivoCheckout


class PaymentDetailsView(PagoEfectivoCheckout, views.PaymentDetailsView):  # type: ignore[misc]
    """The last pages of the checkout, where PagoEfectivo is the method of payment."""
