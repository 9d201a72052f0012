"""URLs of the provider's webhook and the payer's pages; include this module under any path."""

from django.urls import path

from . import views

app_name = "pagoefectivo"
urlpatterns = [
    # Both spellings, since a provider follows no redirect from the one without a slash to the one with.
    path("webhooks/<str:channel>", views.webhook),
    path("webhooks/<str:channel>/", views.webhook, name="webhook"),
    path("refund/<str:token>/", views.refund, name="refund"),
    path("<uuid:token>/", views.voucher, name="voucher"),
    path("<uuid:token>/status/", views.voucher_status, name="voucher-status"),
    path("<uuid:token>/voucher.pdf", views.voucher_pdf, name="voucher-pdf"),
    path("<uuid:token>/pay/", views.pay, name="voucher-pay"),
    path("<uuid:token>/renew/", views.renew, name="voucher-renew"),
]
