from itertools import islice
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

#: The kinds of event that are in the feed: those that have a signal.
IN_FEED = (
    'order_created', 'cip_issued', 'payment_confirmed', 'payment_expired', 'payment_cancelled', 'payment_rejected',
    'payment_refunded', 'payment_settled', 'refund_account_asked', 'expiry_approaching', 'discrepancy_opened',
)


def enter_old_events(apps: Any, schema_editor: Any) -> None:
    """Enter the events of the past into the feed, oldest first; the first round of the worker numbers them."""
    alias = schema_editor.connection.alias
    events = apps.get_model('pagoefectivo', 'OrderEvent').objects.using(alias)
    entries = apps.get_model('pagoefectivo', 'FeedEntry').objects.using(alias)
    old = events.filter(kind__in=IN_FEED).order_by('created_at', 'order', 'number').values_list('pk', flat=True)
    keys = iter(old.iterator(chunk_size=1000))
    while batch := list(islice(keys, 1000)):
        entries.bulk_create(entries.model(event_id=key) for key in batch)


class Migration(migrations.Migration):

    dependencies = [
        ('pagoefectivo', '0003_api'),
    ]

    operations = [
        migrations.CreateModel(
            name='FeedEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField(null=True, unique=True)),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='feed_entry', to='pagoefectivo.orderevent')),
            ],
            options={
                'ordering': ('number',),
            },
        ),
        migrations.RunPython(enter_old_events, migrations.RunPython.noop),
    ]
