"""What is sold, and who bought it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.urls import reverse

from pagoefectivo_django.money import Money

#: Of one product in one purchase.
MOST_OF_ONE = 20


class Product(models.Model):
    """One thing on the shelf."""

    slug = models.SlugField("dirección", unique=True)
    name = models.CharField("nombre", max_length=60)
    description = models.TextField("descripción")
    price = models.DecimalField("precio en soles", max_digits=8, decimal_places=2)
    #: A static file of this app.
    picture = models.CharField("imagen", max_length=60)

    objects: ClassVar[models.Manager[Product]] = models.Manager()

    class Meta:
        verbose_name = "producto"
        verbose_name_plural = "productos"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:product", args=[self.slug])

    @property
    def money(self) -> Money:
        """Its price."""
        return Money(self.price, "PEN")


class Purchase(models.Model):
    """What one payer buys; the order knows who pays, how much, and whether it is paid."""

    order = models.OneToOneField("pagoefectivo.Order", models.PROTECT, related_name="purchase", verbose_name="orden")
    shipped_at = models.DateTimeField("enviada", null=True, blank=True)
    #: How often it was sent off: once, whatever the world sends.
    shipments = models.PositiveIntegerField("envíos", default=0)

    objects: ClassVar[models.Manager[Purchase]] = models.Manager()

    class Meta:
        verbose_name = "compra"
        verbose_name_plural = "compras"

    def __str__(self) -> str:
        return str(self.order)


class Line(models.Model):
    """So many of one product, at the price of that moment."""

    purchase = models.ForeignKey(Purchase, models.CASCADE, related_name="lines", verbose_name="compra")
    product = models.ForeignKey(Product, models.PROTECT, verbose_name="producto")
    quantity = models.PositiveSmallIntegerField("cantidad")
    price = models.DecimalField("precio en soles", max_digits=8, decimal_places=2)

    objects: ClassVar[models.Manager[Line]] = models.Manager()

    class Meta:
        verbose_name = "línea"
        verbose_name_plural = "líneas"
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"

    @property
    def money(self) -> Money:
        """What all of them cost."""
        return Money(self.price * self.quantity, "PEN")
