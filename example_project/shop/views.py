"""The shop's pages. They are for payers in Peru, so they are in Spanish whatever the browser prefers."""

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from pagoefectivo_django.errors import InvalidRequest, ReferenceConflict
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Order

from .forms import CheckoutForm
from .models import Product, Purchase

View = Callable[..., HttpResponse]


def in_spanish(view: View) -> View:
    """Show a page, with the messages of its form, in Spanish."""

    @wraps(view)
    def spanish(request: HttpRequest, **named: object) -> HttpResponse:
        with translation.override("es"):
            response = view(request, **named)
        response["Content-Language"] = "es-PE"
        return response

    return spanish


@require_safe
@in_spanish
def catalogue(request: HttpRequest) -> HttpResponse:
    """Show the shelf."""
    return render(request, "shop/catalogue.html", {"products": Product.objects.all()})


@require_safe
@in_spanish
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one product."""
    return render(request, "shop/product.html", {"product": get_object_or_404(Product, slug=slug)})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@in_spanish
def checkout(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask who pays, and write the order."""
    found = get_object_or_404(Product, slug=slug)
    form = CheckoutForm(request.POST) if request.method == "POST" else CheckoutForm()
    if form.is_valid():
        try:
            return redirect("shop:thanks", token=_buy(found, form).token)
        except ReferenceConflict:
            form.add_error(None, "Ya hay otro pedido con este formulario. Vuelve al producto y empieza de nuevo.")
        except InvalidRequest:
            form.add_error(None, "No pudimos tomar tus datos. Revísalos: no uses símbolos raros.")
    return render(request, "shop/checkout.html", {"product": found, "form": form})


def _buy(found: Product, form: CheckoutForm) -> Order:
    """Write order and purchase together; the code is asked for after the commit."""
    with transaction.atomic():
        order = create_order(
            reference=form.reference,
            amount=found.price,
            currency="PEN",
            payer=form.payer,
            concept=found.name,
            language="es",
        )
        Purchase.objects.get_or_create(order=order, defaults={"product": found})
    return order


@require_safe
@never_cache
@in_spanish
def thanks(request: HttpRequest, token: UUID) -> HttpResponse:
    """Thank, and follow the order until the product is on its way."""
    purchase = get_object_or_404(Purchase.objects.select_related("order__cip", "product"), order__token=token)
    order = purchase.order
    context = {
        "purchase": purchase,
        "order": order,
        "in_question": order.discrepancies.filter(status="open").exists(),
        "following": order.state in ("new", "pending") or (order.state == "paid" and not purchase.shipped_at),
    }
    return render(request, "shop/thanks.html", context)
