from django.urls import include, path

urlpatterns = [path("pay/", include("pagoefectivo_django.urls"))]
