"""Heartbeat: when a worker last made its round."""

from __future__ import annotations

from django.db import models

from .database import ExactCharField


class Heartbeat(models.Model):
    """One row for each kind of round, for the admin's banner."""

    name = ExactCharField(max_length=30, unique=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.name)
