"""The one view that a single-page shop needs of its server: an order, and the address of its voucher."""

from decimal import Decimal

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from pagoefectivo_django.flows import create_order
from pagoefectivo_django.payer import Payer


@login_not_required
@csrf_exempt  # of this example only: it has no session, and no customer
@require_POST
def checkout(request: HttpRequest) -> JsonResponse:
    order = create_order(
        reference="CART-7", amount=Decimal("35.50"), currency="PEN", payer=Payer(email="ana@example.com"), language="es"
    )
    return JsonResponse({"voucher": order.voucher_url})
