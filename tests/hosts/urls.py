"""A shop's own views, as they might be."""

from decimal import Decimal

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Order
from pagoefectivo_django.payer import Payer


def order(reference: str) -> Order:
    payer = Payer(email="ana@example.com")
    return create_order(reference=reference, amount=Decimal("120.50"), currency="PEN", payer=payer)


@csrf_exempt
@login_not_required
def sell(request: HttpRequest, reference: str) -> HttpResponse:
    made = order(reference)
    if request.GET.get("then") == "fail":
        raise RuntimeError("after the order")
    return HttpResponse(f"{made.state}:{made.code}")


@csrf_exempt
@login_not_required
async def sell_async(request: HttpRequest, reference: str) -> HttpResponse:
    made = await sync_to_async(order)(reference)
    return HttpResponse(f"{made.state}:{made.code}")  # its code came with it: no query here


urlpatterns = [
    path("sell/<str:reference>/", sell),
    path("sell-async/<str:reference>/", sell_async),
    path("pay/", include("pagoefectivo_django.urls")),
]
