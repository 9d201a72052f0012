from typing import Any

from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import NullIf

import pagoefectivo_django.models.database


def name_accounts(apps: Any, schema_editor: Any) -> None:
    """Give each payment and each refund the account of its code; a refund without an id of the provider's has none."""
    alias = schema_editor.connection.alias
    cips, payments, refunds = (
        apps.get_model('pagoefectivo', name).objects.using(alias) for name in ('Cip', 'Payment', 'Refund')
    )
    payments.update(account=Subquery(cips.filter(pk=OuterRef('cip')).values('account')))
    # One statement for each table: PostgreSQL refuses to alter a table with rows that a transaction changed twice.
    refunds.update(
        account=Subquery(payments.filter(pk=OuterRef('payment')).values('account')),
        provider_id=NullIf(F('provider_id'), Value('')),
    )


def name_missing_ids(apps: Any, schema_editor: Any) -> None:
    """Give refunds without an id an empty one, as before."""
    refunds = apps.get_model('pagoefectivo', 'Refund').objects.using(schema_editor.connection.alias)
    refunds.filter(provider_id=None).update(provider_id='')


class Migration(migrations.Migration):

    dependencies = [
        ('pagoefectivo', '0004_feed'),
    ]

    operations = [
        migrations.AddField(
            model_name='cip',
            name='other_code',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, max_length=40, null=True, verbose_name='second number'),
        ),
        migrations.AddIndex(
            model_name='cip',
            index=models.Index(fields=['account', 'other_code'], name='pagoefectivo_cip_other_code'),
        ),
        migrations.AddField(
            model_name='payment',
            name='account',
            field=pagoefectivo_django.models.database.ExactCharField(default='', editable=False, max_length=120, verbose_name='account'),
        ),
        migrations.AddField(
            model_name='payment',
            name='provider_id',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, max_length=64, null=True, verbose_name="provider's id"),
        ),
        migrations.AddField(
            model_name='refund',
            name='account',
            field=pagoefectivo_django.models.database.ExactCharField(default='', editable=False, max_length=120, verbose_name='account'),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='payment_amount',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=18, null=True, verbose_name="payment's amount"),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='payment_currency',
            field=models.CharField(blank=True, default='', max_length=3, verbose_name="payment's currency"),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='rate',
            field=models.DecimalField(blank=True, decimal_places=10, max_digits=20, null=True, verbose_name='exchange rate'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='provider_id',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, max_length=64, null=True, verbose_name="provider's id"),
        ),
        migrations.RunPython(name_accounts, name_missing_ids),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('account', 'provider_id'), name='pagoefectivo_payment_id'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(fields=('account', 'provider_id'), name='pagoefectivo_refund_id'),
        ),
        migrations.AddConstraint(
            model_name='settlementline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('payment_amount__isnull', True), ('payment_currency', ''), ('rate__isnull', True)), models.Q(('payment_amount__isnull', False), models.Q(models.Q(('gross__gt', 0), ('payment_amount__gt', 0)), models.Q(('gross__lt', 0), ('payment_amount__lt', 0)), _connector='OR'), models.Q(('payment_currency', ''), _negated=True), models.Q(('payment_currency', models.F('currency')), _negated=True), models.Q(('rate__isnull', True), ('rate__gt', 0), _connector='OR')), _connector='OR'), name='pagoefectivo_line_in_two_currencies'),
        ),
    ]
