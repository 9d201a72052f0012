"""The shop's own rows for its staff; orders and payments have pages of their own."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .models import Line, Product, Purchase


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic class at run time
    """What is sold."""

    list_display = ("name", "price")


class LineInline(admin.TabularInline):  # type: ignore[type-arg]
    """What a purchase is made of."""

    model = Line
    extra = 0
    readonly_fields = ("product", "quantity", "price")
    can_delete = False


@admin.register(Purchase)
class PurchaseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What was bought, and whether it is on its way."""

    list_display = ("order", "shipped_at")
    list_select_related = ("order",)
    readonly_fields = ("order_page", "shipped_at", "shipments")
    fields = readonly_fields
    inlines = (LineInline,)

    @admin.display(description="orden")
    def order_page(self, purchase: Purchase) -> SafeString:
        return format_html('<a href="{}">{}</a>', purchase.order.admin_url, purchase.order)
