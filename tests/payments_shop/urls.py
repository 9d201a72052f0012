from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from payments.urls import process_data, static_callback

from tests.payments_shop.views import page, payment_details

for view in (process_data, static_callback):
    login_not_required(view)  # the project of our tests asks everybody to log in, and the package marks no view

urlpatterns = [
    path("pay/", include("pagoefectivo_django.urls")),
    path("payments/", include("payments.urls")),
    path("payments-shop/<int:pk>/", payment_details, name="payment_details"),
    path("payments-shop/<int:pk>/<str:which>/", page),
]
