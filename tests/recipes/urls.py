from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.static import serve

from tests.recipes.spa.views import checkout

urlpatterns = [
    path("pay/", include("pagoefectivo_django.urls")),
    path("spa/checkout/", checkout),
    path("spa/<path:path>", login_not_required(serve), {"document_root": Path(__file__).parent / "spa"}),
]
