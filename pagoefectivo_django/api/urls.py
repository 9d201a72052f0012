"""URLs of the REST API; include this module under any path."""

from django.urls import path

from .orders import OneOrder, Orders

app_name = "pagoefectivo-api"
urlpatterns = [
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/<str:public_id>/", OneOrder.as_view(), name="order"),
]
