"""What staff is asked before a flow is called."""

from __future__ import annotations

from django import forms
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .states import Resolution


def _zone() -> str:
    return gettext("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()}


def _date_field(*, required: bool) -> forms.DateTimeField:
    # The browser's own picker: no script of ours, and good on a phone.
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=_("Until"), required=required, widget=widget, help_text=lazy(_zone, str)())


class ExtendForm(forms.Form):
    """Until when a code shall be payable."""

    expires_at = _date_field(required=True)


class ReissueForm(forms.Form):
    """Until when the next code shall be payable; empty for the order's own date."""

    expires_at = _date_field(required=False)


class ResolveForm(forms.Form):
    """A person's answer to a question, and why."""

    resolution = forms.ChoiceField(label=_("Answer"), choices=Resolution.choices, widget=forms.RadioSelect)
    reason = forms.CharField(label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
