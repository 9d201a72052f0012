from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from payments import PaymentError, RedirectNeeded, get_payment_model


@login_not_required
def payment_details(request: HttpRequest, pk: int) -> HttpResponse:
    """The view that django-payments' manual asks a shop for."""
    payment = get_object_or_404(get_payment_model(), pk=pk)
    try:
        form = payment.get_form(data=request.POST or None)
    except RedirectNeeded as to:
        return redirect(str(to))
    except PaymentError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    return render(request, "payments_shop/payment.html", {"form": form, "payment": payment})


@login_not_required
def page(request: HttpRequest, pk: int, which: str) -> HttpResponse:
    return HttpResponse(which)
