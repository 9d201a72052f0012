import uuid
from typing import Any

from django.db import migrations, models


def name_orders(apps: Any, schema_editor: Any) -> None:
    """Give each order that is there already a public id of its own."""
    orders = apps.get_model('pagoefectivo', 'Order').objects.using(schema_editor.connection.alias)
    pks = orders.filter(public_id=None).order_by('pk').values_list('pk', flat=True)
    while batch := list(pks[:1000]):
        for pk in batch:
            orders.filter(pk=pk).update(public_id=uuid.uuid4())


class Migration(migrations.Migration):

    dependencies = [
        ('pagoefectivo', '0002_before_0_1'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='public_id',
            # Without a default: it would be computed once, for all rows.
            field=models.UUIDField(editable=False, null=True, verbose_name='public id'),
        ),
        migrations.RunPython(name_orders, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='order',
            name='public_id',
            field=models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='public id'),
        ),
    ]
