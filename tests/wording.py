"""What Django says about a form, asked of Django: its words are its own and change with its version."""

import re
from collections import Counter

from django import forms
from django.core.validators import DecimalValidator

REQUIRED = str(forms.Field.default_error_messages["required"])
NO_CHOICE = str(forms.ModelChoiceField.default_error_messages["invalid_choice"])
NO_DATE = str(forms.DateField.default_error_messages["invalid"])
NO_NUMBER = str(forms.DecimalField.default_error_messages["invalid"])


def no_choice(value: str) -> str:
    return str(forms.ChoiceField.default_error_messages["invalid_choice"]) % {"value": value}


def too_precise(places: int) -> str:
    return str(DecimalValidator.messages["max_decimal_places"] % {"max": places})


def too_large(digits: int) -> str:
    return str(DecimalValidator.messages["max_whole_digits"] % {"max": digits})


def levels(page: str) -> Counter[str]:
    """How many messages of each level a page of the admin shows."""
    return Counter(re.findall(r'<li\b[^>]*\bclass="[^"]*\b(success|warning|error)\b', page))
