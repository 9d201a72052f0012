import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Person(AbstractBaseUser):
    """A user without a name, without permissions, and with a key that is no number."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    phone = models.CharField(max_length=20, unique=True)

    USERNAME_FIELD = "phone"
    objects = BaseUserManager["Person"]()

    class Meta:
        app_label = "people"

    def __str__(self) -> str:
        return self.phone
