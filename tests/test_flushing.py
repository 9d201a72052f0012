"""A test that commits begins with the rare work of a round done, and leaves nothing behind, though less is emptied."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import TransactionTestCase

from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Cip, Heartbeat, Order, OrderEvent
from pagoefectivo_django.testing import make_order, pay
from tests import flushing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.every_database
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_all_rows_go_but_what_migrate_made() -> None:
    kept = [model.objects.count() for model in (ContentType, Permission)]
    group = Group.objects.create(name="made-up")
    group.permissions.add(*Permission.objects.all()[:3])
    User.objects.create(username="made-up").groups.add(group)
    pay(make_order())
    flushing._flush(TransactionTestCase())
    left: list[type[Model]] = [Order, Cip, OrderEvent, User, Group, User.groups.through, Group.permissions.through]
    assert [model._base_manager.count() for model in left] == [0] * len(left)
    assert [model.objects.count() for model in (ContentType, Permission)] == kept
    assert connection.connection is not None
    assert not flushing._is_any_broken(TransactionTestCase())
    connection.set_autocommit(False)
    assert flushing._is_any_broken(TransactionTestCase())
    connection.set_autocommit(True)


@pytest.mark.every_database
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_the_rare_work_of_a_round_is_not_due() -> None:
    tick()
    assert Heartbeat.objects.filter(name__in=flushing.RARE).count() == len(flushing.RARE)
    before = dict(Heartbeat.objects.filter(name__in=flushing.RARE).values_list("name", "beaten_at"))
    tick()
    assert before == dict(Heartbeat.objects.filter(name__in=flushing.RARE).values_list("name", "beaten_at"))
    Heartbeat.objects.all().delete()
    tick()
    after = dict(Heartbeat.objects.filter(name__in=flushing.RARE).values_list("name", "beaten_at"))
    assert after.keys() == before.keys()
    assert all(timedelta(0) <= after[name] - before[name] < timedelta(minutes=1) for name in after)
