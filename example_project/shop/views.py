"""The shop's pages, in the visitor's language: Spanish, English or Chinese."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from pagoefectivo_django.errors import AlreadyPaid, InReview, InvalidRequest
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.forms import PayerForm
from pagoefectivo_django.models import Order
from pagoefectivo_django.payer import Payer

from .cart import Cart
from .forms import QuantityForm
from .mails import Mail, sent
from .models import MOST_OF_ONE, Product, Purchase

#: The cart of such an order can still be changed.
CHANGEABLE = ("new", "pending", "expired", "cancelled", "rejected")


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Show the shelf."""
    return render(request, "shop/catalogue.html", {"products": Product.objects.all()})


@require_safe
@never_cache
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one product."""
    found = get_object_or_404(Product, slug=slug)
    chosen = Cart(request.session).quantity_of(found)
    return render(request, "shop/product.html", {"product": found, "chosen": chosen, "most": MOST_OF_ONE})


@require_safe
@never_cache
def cart(request: HttpRequest) -> HttpResponse:
    """Show what was chosen."""
    return render(request, "shop/cart.html", {"cart": Cart(request.session), "most": MOST_OF_ONE})


@require_POST
def put(request: HttpRequest, slug: str) -> HttpResponse:
    """Have so many of a product in the cart."""
    found = get_object_or_404(Product, slug=slug)
    form = QuantityForm(request.POST)
    if form.is_valid():
        Cart(request.session).put(found, form.cleaned_data["quantity"])
    else:
        messages.error(request, _("Please choose from 0 to %(most)d of each.") % {"most": MOST_OF_ONE})
    return redirect("shop:cart")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def checkout(request: HttpRequest) -> HttpResponse:
    """Ask who pays, and write the order."""
    chosen = Cart(request.session)
    if not (money := chosen.money):
        # Who presses the button twice sends the form twice; by the second time the order is there.
        last = request.session.get("order")
        return (
            redirect("pagoefectivo:voucher", token=last) if request.method == "POST" and last else redirect("shop:cart")
        )
    least, most = settings.PAGOEFECTIVO["LIMITS"]["PEN"]
    payable = least <= money.amount <= most
    form = PayerForm(request.POST if request.method == "POST" else None)
    if payable and form.is_valid():
        try:
            placed = _buy(chosen, form.payer)
        except (AlreadyPaid, InReview):
            form.add_error(
                None, _("This order was paid meanwhile, or we are looking at its payment. Please order anew.")
            )
        except InvalidRequest:
            form.add_error(None, _("We could not take this order. Please look at what you typed."))
        else:
            chosen.order_placed(str(placed.token))
            return redirect(placed.voucher_url)  # the voucher page; it shows the code when it is there
    return render(request, "shop/checkout.html", {"cart": chosen, "form": form, "payable": payable})


def _buy(chosen: Cart, payer: Payer) -> Order:
    """Write order and purchase together; the code is asked for after the commit.

    ``replace``: an order whose cart was changed is withdrawn, and its code deleted, before the new one has a code.
    """
    money = chosen.money
    if money is None:
        raise InvalidRequest("The cart is empty.")
    with transaction.atomic():
        order = create_order(
            reference=chosen.reference,
            amount=money.amount,
            currency=money.currency,
            payer=payer,
            concept=chosen.concept,
            language=get_language() or "es",
            replace=True,
        )
        if order.state == "paid":
            raise AlreadyPaid("The order of this cart is paid.")
        purchase, _made = Purchase.objects.get_or_create(order=order)
        # Another cart may cost the same, and is then the same order.
        chosen.write_lines(purchase)
    return order


@require_safe
@never_cache
def order(request: HttpRequest, token: UUID) -> HttpResponse:
    """Show an order to who has its address, and follow it until the goods are on their way."""
    purchase = get_object_or_404(Purchase.objects.select_related("order__cip"), order__token=token)
    found = purchase.order
    context = {
        "purchase": purchase,
        "order": found,
        "payer": found.payer,
        "in_review": found.discrepancies.filter(status="open").exists(),
        "following": found.state in ("new", "pending") or (found.state == "paid" and not purchase.shipped_at),
        "changeable": found.state in CHANGEABLE,
    }
    return render(request, "shop/order.html", context)


@require_POST
def change(request: HttpRequest, token: UUID) -> HttpResponse:
    """Have an order's goods in the cart again; its code stands until the changed cart is ordered."""
    purchase = get_object_or_404(Purchase.objects.select_related("order"), order__token=token)
    if purchase.order.state not in CHANGEABLE:
        messages.error(request, _("This order can't be changed any more."))
        return redirect("shop:order", token=token)
    Cart(request.session).take_up(purchase)
    return redirect("shop:cart")


@require_safe
@never_cache
def mails(request: HttpRequest) -> HttpResponse:
    """Show what the shop wrote to its payers; a page of the example, not of a shop."""
    return render(request, "shop/mails.html", {"mails": _sent()})


@require_safe
@never_cache
def mail(request: HttpRequest, name: str) -> HttpResponse:
    """Show one mail."""
    return render(request, "shop/mail.html", {"mail": _mail(name)})


@require_safe
@never_cache
def attachment(request: HttpRequest, name: str, place: int) -> HttpResponse:
    """Return one attachment of a mail."""
    parts = _mail(name).attachments
    if place >= len(parts):
        raise Http404
    filename = (parts[place].get_filename() or "attachment").replace('"', "")
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "X-Content-Type-Options": "nosniff"}
    content = parts[place].get_payload(decode=True)
    return HttpResponse(content, content_type=parts[place].get_content_type(), headers=headers)


def _sent() -> list[Mail]:
    if not settings.DEBUG:  # they have the addresses of orders
        raise Http404
    return sent()


def _mail(name: str) -> Mail:
    try:
        return next(mail for mail in _sent() if mail.name == name)
    except StopIteration:
        raise Http404 from None
