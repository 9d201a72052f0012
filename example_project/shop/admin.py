"""The shop's own rows for its staff; orders and payments have pages of their own."""

from django.contrib import admin

from .models import Product, Purchase


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic class at run time
    """What is sold."""

    list_display = ("name", "price")


@admin.register(Purchase)
class PurchaseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What was bought, and whether it is on its way."""

    list_display = ("order", "product", "shipped_at")
    list_select_related = ("order", "product")
    readonly_fields = ("order", "product", "shipped_at")
