from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from wagtail import hooks
from wagtail.admin.menu import MenuItem


class PaymentsItem(MenuItem):
    """A link to PagoEfectivo's first page in Django's admin, for those who may open it: not every editor may."""

    def is_shown(self, request: HttpRequest) -> bool:
        return admin.site.has_permission(request) and request.user.has_perm("pagoefectivo.view_order")


@hooks.register("register_admin_menu_item")
def payments_item() -> MenuItem:
    return PaymentsItem("Pagos", reverse("admin:app_list", args=["pagoefectivo"]), icon_name="circle-check")
