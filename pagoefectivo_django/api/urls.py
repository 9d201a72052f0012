"""URLs of the REST API; include this module under any path."""

from django.apps import apps
from django.urls import include, path

from .orders import OneOrder, Orders

app_name = "pagoefectivo-api"
urlpatterns = [
    path("orders/", Orders.as_view(), name="orders"),
    path("orders/<str:public_id>/", OneOrder.as_view(), name="order"),
]
if apps.is_installed("pagoefectivo_django.contrib.webhooks"):
    urlpatterns.append(path("webhook-endpoints/", include("pagoefectivo_django.contrib.webhooks.urls")))
