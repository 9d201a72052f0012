"""What is sold, and who bought it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.urls import reverse


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


class Purchase(models.Model):
    """One product for one payer; the order knows who pays, how much, and whether it is paid."""

    order = models.OneToOneField("pagoefectivo.Order", models.PROTECT, related_name="purchase", verbose_name="orden")
    product = models.ForeignKey(Product, models.PROTECT, verbose_name="producto")
    shipped_at = models.DateTimeField("enviada", null=True, blank=True)

    objects: ClassVar[models.Manager[Purchase]] = models.Manager()

    class Meta:
        verbose_name = "compra"
        verbose_name_plural = "compras"

    def __str__(self) -> str:
        return f"{self.product} ({self.order})"
