from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("pay/api/", include("pagoefectivo_django.api.urls")),
    path("pay/", include("pagoefectivo_django.urls")),
]
