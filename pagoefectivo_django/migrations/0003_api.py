import uuid
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import pagoefectivo_django.models.database


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
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', pagoefectivo_django.models.database.ExactCharField(max_length=64, unique=True)),
                ('body', pagoefectivo_django.models.database.ExactCharField(max_length=64)),
                ('leased_until', models.DateTimeField(null=True)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('problem', models.JSONField(null=True)),
                ('created_at', models.DateTimeField()),
                ('order', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pagoefectivo.order')),
                ('refund', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pagoefectivo.refund')),
            ],
        ),
    ]
