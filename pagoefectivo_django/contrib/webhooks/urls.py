"""URLs of endpoints, which the API has among its own where this app is installed."""

from django.urls import path

from .views import Deliveries, Endpoints, OneDelivery, OneEndpoint, Redelivery, Rotation, Trial

ALL = "webhook-endpoints/"
ONE = f"{ALL}<str:public_id>/"
SENT = f"{ONE}deliveries/<str:delivery>/"
urlpatterns = [
    path(ALL, Endpoints.as_view(), name="webhook-endpoints"),
    path(ONE, OneEndpoint.as_view(), name="webhook-endpoint"),
    path(f"{ONE}rotate/", Rotation.as_view(), name="webhook-rotate"),
    path(f"{ONE}test/", Trial.as_view(), name="webhook-test"),
    path(f"{ONE}deliveries/", Deliveries.as_view(), name="webhook-deliveries"),
    path(SENT, OneDelivery.as_view(), name="webhook-delivery"),
    path(f"{SENT}redeliver/", Redelivery.as_view(), name="webhook-redeliver"),
]
