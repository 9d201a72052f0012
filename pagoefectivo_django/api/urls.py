"""URLs of the REST API; include this module under any path."""

from django.urls import path

from .events import Events
from .orders import OneOrder, Orders
from .schema import SchemaView, page
from .settlements import Balance, Settlements

app_name = "pagoefectivo-api"
urlpatterns = [
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/<str:public_id>/", OneOrder.as_view(), name="order"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("schema/page/", page, name="schema-page"),
    path("events/", Events.as_view(), name="events"),
    path("settlements/", Settlements.as_view(), name="settlements"),
    path("balance/", Balance.as_view(), name="balance"),
]
