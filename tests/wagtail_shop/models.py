from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.core.exceptions import SuspiciousOperation
from django.core.signing import BadSignature, Signer
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import get_random_string
from django.utils.decorators import method_decorator
from django.utils.text import Truncator
from django.views.decorators.cache import cache_control, never_cache
from wagtail.admin.panels import FieldPanel
from wagtail.contrib.routable_page.models import RoutablePage, path
from wagtail.models import Page

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.forms import PayerForm
from pagoefectivo_django.models import Order
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer

from .panels import PurchasesPanel


class ProductPage(RoutablePage):
    """A page that sells one thing; ``<page>/comprar/`` is where it is bought, while the page is live."""

    price = models.DecimalField(
        "precio en soles", max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal("1.00"))]
    )

    content_panels = [
        *Page.content_panels,
        FieldPanel("price"),
        PurchasesPanel(template="wagtail_shop/purchases_panel.html", heading="Compras"),
    ]

    class Meta:
        verbose_name = "producto"

    @property
    def money(self) -> Money:
        """The price with its currency."""
        return Money(self.price, "PEN")

    @path("")
    @method_decorator(cache_control(max_age=60))
    def index_route(self, request: HttpRequest) -> HttpResponse:
        """Show the product. Any cache may keep the page, so it has no form: a form's tokens are one visitor's."""
        return self.render(request)

    @path("comprar/", name="buy")
    @method_decorator(never_cache)
    def buy(self, request: HttpRequest) -> HttpResponse:
        """Ask who pays, write the order, and lead the payer to the voucher."""
        signer = Signer(salt=f"buy-{self.pk}")  # so that nobody can name another buyer's reference
        token = request.POST.get("token") or signer.sign(get_random_string(16))
        try:
            reference = signer.unsign(token)
        except BadSignature as error:
            raise SuspiciousOperation("The token is not of this page's form.") from error
        form = PayerForm(request.POST or None)
        if form.is_valid():
            try:
                return redirect(self.order(reference, form.payer).voucher_url)
            except InvalidRequest:
                form.add_error(None, "No pudimos tomar tu pedido. Revisa tus datos, por favor.")
        context = {"form": form, "token": token}
        return self.render(request, template="wagtail_shop/buy.html", context_overrides=context)

    def order(self, reference: str, payer: Payer) -> Order:
        """Return the order of a purchase, at the price of the live page; the same order for each press of one form."""
        if pressed_before := Order.objects.filter(reference=reference).last():
            return pressed_before
        concept = Truncator(self.title).chars(100)
        with transaction.atomic():
            order = create_order(
                reference=reference, amount=self.price, currency="PEN", payer=payer, concept=concept, language="es"
            )
            Purchase.objects.get_or_create(order=order, defaults={"page": self})
        return order


class Purchase(models.Model):
    """What was bought by an order. The page may be deleted; the order keeps title and price."""

    order = models.OneToOneField("pagoefectivo.Order", models.PROTECT, related_name="purchase")
    page = models.ForeignKey(ProductPage, models.SET_NULL, null=True, related_name="purchases")

    objects: ClassVar[models.Manager[Purchase]] = models.Manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return str(self.order)


class Sale(models.Model):
    """A purchase that was paid. Not a count on the page: who publishes an older draft would write over the count."""

    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="sales")
    event_id = models.UUIDField(unique=True)

    objects: ClassVar[models.Manager[Sale]] = models.Manager()

    def __str__(self) -> str:
        return str(self.purchase)
