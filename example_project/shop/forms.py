"""What a visitor chooses; who pays is asked by the package's ``PayerForm``."""

from django import forms

from .models import MOST_OF_ONE


class QuantityForm(forms.Form):
    """How many of a product."""

    quantity = forms.IntegerField(min_value=0, max_value=MOST_OF_ONE)
