"""URLs of the REST API; include this module under any path."""

from django.apps import apps
from django.urls import path
from django.utils.module_loading import import_string

from . import discrepancies, events, orders, refunds, schema, settlements

app_name = "pagoefectivo-api"
urlpatterns = [
    path("orders/", orders.Orders.as_view(), name="orders"),
    path("orders/<str:public_id>/", orders.OneOrder.as_view(), name="order"),
    path("orders/<str:public_id>/cancel/", orders.Cancel.as_view(), name="order-cancel"),
    path("orders/<str:public_id>/extend/", orders.Extend.as_view(), name="order-extend"),
    path("orders/<str:public_id>/reissue/", orders.Reissue.as_view(), name="order-reissue"),
    path("orders/<str:public_id>/refresh/", orders.Refresh.as_view(), name="order-refresh"),
    path("orders/<str:public_id>/refunds/", refunds.Refunds.as_view(), name="order-refunds"),
    path("refunds/<str:pk>/", refunds.OneRefund.as_view(), name="refund"),
    path("refunds/<str:pk>/approve/", refunds.Approve.as_view(), name="refund-approve"),
    path("refunds/<str:pk>/send/", refunds.Send.as_view(), name="refund-send"),
    path("refunds/<str:pk>/close/", refunds.Close.as_view(), name="refund-close"),
    path("events/", events.Events.as_view(), name="events"),
    path("discrepancies/", discrepancies.Discrepancies.as_view(), name="discrepancies"),
    path("discrepancies/<str:pk>/", discrepancies.OneDiscrepancy.as_view(), name="discrepancy"),
    path("discrepancies/<str:pk>/resolve/", discrepancies.Resolve.as_view(), name="discrepancy-resolve"),
    path("settlements/", settlements.Settlements.as_view(), name="settlements"),
    path("balance/", settlements.Balance.as_view(), name="balance"),
    path("schema/", schema.SchemaView.as_view(), name="schema"),
    path("schema/page/", schema.page, name="schema-page"),
]
if apps.is_installed("pagoefectivo_django.contrib.webhooks"):
    urlpatterns.extend(import_string("pagoefectivo_django.contrib.webhooks.urls.urlpatterns"))
