from django.db import models


class Heard(models.Model):
    """What a receiver heard, written as a shop would write its own rows."""

    signal = models.CharField(max_length=40)
    reference = models.CharField(max_length=64)
    event = models.UUIDField()
    state = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.signal} {self.reference}"
