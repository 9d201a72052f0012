from django.urls import reverse

from pagoefectivo_django.models import Order

from .models import Purchase


def link_of(order: Order) -> tuple[str, str] | None:
    """Return the address and the label of the editor of the page that sold; None once the page is deleted."""
    purchase = Purchase.objects.filter(order=order).first()
    page = purchase and purchase.page
    return (reverse("wagtailadmin_pages:edit", args=[page.pk]), "Página en Wagtail") if page else None
