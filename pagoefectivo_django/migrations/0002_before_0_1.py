from decimal import Decimal
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import pagoefectivo_django.models.database


def keep_signatures(apps: Any, schema_editor: Any) -> None:
    """Move each message's signature to the headers that are kept of the message."""
    messages = apps.get_model('pagoefectivo', 'Notification').objects.using(schema_editor.connection.alias)
    for message in messages.exclude(signature='').only('signature').iterator():
        messages.filter(pk=message.pk).update(headers={'PE-Signature': message.signature})


#: The kind of each program that was an actor by its name, and what the program is called now.
PROGRAMS = {
    'shop': ('shop', ''),
    'payer': ('payer', ''),
    'provider': ('provider', ''),
    'notification': ('provider', 'notification'),
    'poll': ('worker', 'poll'),
    'clock': ('worker', 'clock'),
    'settlement': ('import', ''),
    'pagoefectivo': ('worker', ''),
}


def tell_programs_from_people(apps: Any, schema_editor: Any) -> None:
    """Give the events of programs the kind of their actor; all others are a person's."""
    events = apps.get_model('pagoefectivo', 'OrderEvent').objects.using(schema_editor.connection.alias)
    for name, (kind, called) in PROGRAMS.items():
        events.filter(actor_kind='person', actor_name=name).update(actor_kind=kind, actor_name=called)


class Migration(migrations.Migration):

    dependencies = [
        ('pagoefectivo', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='UnknownCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hinted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='hinted')),
                ('look_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('looked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('account', pagoefectivo_django.models.database.ExactCharField(max_length=120, verbose_name='account')),
                ('code', pagoefectivo_django.models.database.ExactCharField(blank=True, default='', max_length=40, verbose_name='code')),
                ('provider_id', pagoefectivo_django.models.database.ExactCharField(blank=True, default='', max_length=64, verbose_name="provider's id")),
            ],
            options={
                'verbose_name': 'unknown code',
                'verbose_name_plural': 'unknown codes',
            },
        ),
        migrations.AddField(
            model_name='cip',
            name='hinted_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='hinted'),
        ),
        migrations.AddField(
            model_name='cip',
            name='look_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='cip',
            name='looked_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='cip',
            index=models.Index(fields=['account', 'look_at'], name='pagoefectivo_cip_hinted'),
        ),
        migrations.AddIndex(
            model_name='unknowncode',
            index=models.Index(fields=['account', 'look_at'], name='pagoefectivo_unknown_due'),
        ),
        migrations.AddConstraint(
            model_name='unknowncode',
            constraint=models.UniqueConstraint(fields=('account', 'code', 'provider_id'), name='pagoefectivo_one_unknown_code'),
        ),
        migrations.AddField(
            model_name='order',
            name='wish_reason',
            field=models.CharField(blank=True, default='', editable=False, max_length=500),
        ),
        migrations.CreateModel(
            name='StaffAlert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=20)),
                ('subject', pagoefectivo_django.models.database.ExactCharField(max_length=255)),
                ('told_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'staff alert',
                'verbose_name_plural': 'staff alerts',
                'constraints': [models.UniqueConstraint(fields=('kind', 'subject'), name='pagoefectivo_one_alert')],
            },
        ),
        migrations.AddField(
            model_name='cip',
            name='reversed_version',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='cip',
            name='version',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='notification',
            name='queued_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.CreateModel(
            name='FailingReceiver',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('receiver', pagoefectivo_django.models.database.ExactCharField(max_length=255, unique=True, verbose_name='receiver')),
                ('failures', models.PositiveIntegerField(default=0, verbose_name='failures')),
                ('since', models.DateTimeField(verbose_name='failing since')),
                ('paused_until', models.DateTimeField(blank=True, null=True, verbose_name='paused until')),
                ('last_event', models.UUIDField(blank=True, null=True, verbose_name='last event')),
            ],
            options={
                'verbose_name': 'failing receiver',
                'verbose_name_plural': 'failing receivers',
            },
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['receiver', 'next_attempt_at'], name='pagoefectivo_receiver_due'),
        ),
        migrations.AddField(
            model_name='heartbeat',
            name='ahead',
            field=models.DurationField(null=True),
        ),
        migrations.AddField(
            model_name='order',
            name='deferred_wish',
            field=models.CharField(blank=True, choices=[('issue', 'issue a code'), ('cancel', 'cancel'), ('extend', 'extend'), ('reissue', 'reissue')], default='', editable=False, max_length=8),
        ),
        migrations.AlterField(
            model_name='refusal',
            name='reason',
            field=models.CharField(choices=[('unsigned', 'no signature'), ('unproven', 'no current secret made its signature'), ('source', "its sender's address is not listed"), ('too_large', 'too large'), ('no_length', 'sent in pieces, and this server does not tell where they end'), ('encoding', 'packed (Content-Encoding), and its signature is over what is inside'), ('address', 'no channel has that address')], max_length=10, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='cip',
            name='answer',
            field=models.CharField(blank=True, default='', editable=False, max_length=100),
        ),
        migrations.AlterField(
            model_name='apicallsubject',
            name='order',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='call_subjects', to='pagoefectivo.order', verbose_name='order'),
        ),
        migrations.AddField(
            model_name='payment',
            name='vouched',
            field=pagoefectivo_django.models.database.ExactCharField(default=None, editable=False, max_length=170, null=True, unique=True),
        ),
        migrations.AddField(
            model_name='orderevent',
            name='refund',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pagoefectivo.refund'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='refunded',
            field=models.DecimalField(decimal_places=2, default=Decimal('0'), max_digits=18, verbose_name='reserved for refunds'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['deferred_wish'], name='pagoefectivo_order_deferred'),
        ),
        migrations.AddIndex(
            model_name='cip',
            index=models.Index(fields=['channel', 'account'], name='pagoefectivo_cip_alias'),
        ),
        migrations.RemoveConstraint(
            model_name='discrepancy',
            name='pagoefectivo_one_question',
        ),
        migrations.RemoveIndex(
            model_name='cip',
            name='pagoefectivo_cip_due',
        ),
        migrations.RemoveIndex(
            model_name='delivery',
            name='pagoefectivo_delivery_due',
        ),
        migrations.RemoveIndex(
            model_name='delivery',
            name='pagoefectivo_receiver_due',
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='pagoefectivo_inbox_due',
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='pagoefectivo_inbox_fate',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='pagoefectivo_order_due',
        ),
        migrations.RemoveIndex(
            model_name='order',
            name='pagoefectivo_order_deferred',
        ),
        migrations.RemoveIndex(
            model_name='refund',
            name='pagoefectivo_refund_due',
        ),
        migrations.RemoveIndex(
            model_name='settlement',
            name='pagoefectivo_settlement_due',
        ),
        migrations.RenameIndex(
            model_name='discrepancy',
            new_name='pagoefectivo_discrepancy_open',
            old_name='pagoefectivo_question_open',
        ),
        migrations.RenameIndex(
            model_name='discrepancy',
            new_name='pagoefectivo_discrepancy_list',
            old_name='pagoefectivo_question_list',
        ),
        migrations.RenameIndex(
            model_name='discrepancy',
            new_name='pagoefectivo_discrepancy_kind',
            old_name='pagoefectivo_question_kind',
        ),
        migrations.RenameIndex(
            model_name='discrepancy',
            new_name='pagoefectivo_discrepancy_who',
            old_name='pagoefectivo_question_whose',
        ),
        migrations.RenameIndex(
            model_name='discrepancy',
            new_name='pagoefectivo_discrepancy_sum',
            old_name='pagoefectivo_question_amount',
        ),
        migrations.RenameField(model_name="cip", old_name="next_attempt_at", new_name="retry_at"),
        migrations.RenameField(model_name="delivery", old_name="next_attempt_at", new_name="retry_at"),
        migrations.RenameField(model_name="notification", old_name="next_attempt_at", new_name="retry_at"),
        migrations.RenameField(model_name="order", old_name="next_attempt_at", new_name="retry_at"),
        migrations.RenameField(model_name="refund", old_name="next_attempt_at", new_name="retry_at"),
        migrations.RenameField(model_name="settlement", old_name="next_attempt_at", new_name="retry_at"),
        migrations.RenameField(model_name="order", old_name="wish", new_name="pending_action"),
        migrations.RenameField(model_name="order", old_name="deferred_wish", new_name="deferred_action"),
        migrations.RenameField(model_name="order", old_name="wish_date", new_name="action_date"),
        migrations.RenameField(model_name="order", old_name="wish_actor", new_name="action_requested_by"),
        migrations.RenameField(model_name="order", old_name="wish_reason", new_name="action_reason"),
        migrations.RenameField(model_name="order", old_name="wished_at", new_name="action_requested_at"),
        migrations.RenameField(model_name="payment", old_name="standing", new_name="status"),
        migrations.RenameField(model_name="notification", old_name="fate", new_name="status"),
        migrations.RenameField(model_name='notification', old_name='proved_by', new_name='verified_by'),
        migrations.AlterField(
            model_name='notification',
            name='status',
            field=models.CharField(choices=[('applied', 'applied'), ('waiting', 'waiting'), ('dead', 'dead')], default='applied', max_length=10, verbose_name='status'),
        ),
        migrations.AlterField(
            model_name='order',
            name='pending_action',
            field=models.CharField(blank=True, choices=[('issue', 'issue a code'), ('cancel', 'cancel'), ('extend', 'extend'), ('reissue', 'reissue')], default='', editable=False, max_length=8, verbose_name='pending action'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='status',
            field=models.CharField(choices=[('applied', 'applied'), ('held', 'held'), ('duplicate', 'duplicate'), ('reversed', 'reversed')], max_length=10, verbose_name='status'),
        ),
        migrations.AddIndex(
            model_name='cip',
            index=models.Index(fields=['retry_at'], name='pagoefectivo_cip_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['retry_at'], name='pagoefectivo_delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['receiver', 'retry_at'], name='pagoefectivo_receiver_due'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['retry_at'], name='pagoefectivo_inbox_due'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['status', 'id'], name='pagoefectivo_inbox_status'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['retry_at'], name='pagoefectivo_order_due'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['deferred_action'], name='pagoefectivo_order_deferred'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(fields=['retry_at'], name='pagoefectivo_refund_due'),
        ),
        migrations.AddIndex(
            model_name='settlement',
            index=models.Index(fields=['retry_at'], name='pagoefectivo_settlement_due'),
        ),
        migrations.AddConstraint(
            model_name='discrepancy',
            constraint=models.UniqueConstraint(fields=('kind', 'subject'), name='pagoefectivo_one_discrepancy'),
        ),
        migrations.AlterField(
            model_name='discrepancy',
            name='kind',
            field=models.CharField(choices=[('amount_mismatch', 'paid another amount'), ('currency_mismatch', 'paid in another currency'), ('unmatched', 'paid for an unknown code'), ('late_payment', 'paid late'), ('duplicate_payment', 'paid twice'), ('paid_after_cancel', 'paid after it was cancelled'), ('paid_after_refund', 'paid after it was refunded'), ('conflict', 'paid though no code was issued'), ('reversed', 'the provider took the payment back'), ('reinstated', 'taken back, and paid again at the provider'), ('missing_there', 'paid here, not at the provider'), ('lost_code', "a code may exist that we don't know"), ('not_confirmed', "the provider doesn't confirm a change"), ('still_payable', 'a code may still be paid'), ('in_process', 'a payment stays in process'), ('unprocessed', 'a verified message could not be applied'), ('missing_here', 'in a statement, without an order here'), ('status_mismatch', 'in a statement, not paid here'), ('duplicate_line', 'settled twice'), ('unclear_line', 'a line of a statement that is not clear'), ('refund_unmatched', 'a refund in a statement that we did not make'), ('fee_mismatch', "another fee than the contract's"), ('payout_mismatch', "another deposit than the settlement's sum"), ('unsettled_overdue', 'paid, and in no settlement in time')], max_length=20, verbose_name='discrepancy'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='verified_by',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, default='', max_length=16, verbose_name='verified by'),
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='pagoefectivo_one_digest',
        ),
        migrations.RenameField(
            model_name='notification',
            old_name='digest',
            new_name='identity',
        ),
        migrations.AddField(
            model_name='notification',
            name='item',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='notification',
            name='trust',
            field=models.CharField(default='signed_body', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='notification',
            name='headers',
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='notification',
            name='query',
            field=models.TextField(blank=True, default='', editable=False),
        ),
        migrations.RunPython(keep_signatures, migrations.RunPython.noop),
        migrations.RemoveField(
            model_name='notification',
            name='signature',
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('account', 'identity', 'item'), name='pagoefectivo_one_message'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='code',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, default='', max_length=64, verbose_name='code'),
        ),
        migrations.AddField(
            model_name='cip',
            name='provider_id',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, max_length=64, null=True, verbose_name="provider's id"),
        ),
        migrations.AddField(
            model_name='cip',
            name='in_process_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='in process since'),
        ),
        migrations.AddConstraint(
            model_name='cip',
            constraint=models.UniqueConstraint(fields=('account', 'provider_id'), name='pagoefectivo_provider_id'),
        ),
        migrations.AddField(
            model_name='refund',
            name='provider_id',
            field=pagoefectivo_django.models.database.ExactCharField(blank=True, default='', max_length=64, verbose_name="provider's id"),
        ),
        migrations.AlterField(
            model_name='cip',
            name='expires_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='expires'),
        ),
        migrations.RenameField(model_name='orderevent', old_name='actor', new_name='actor_name'),
        migrations.AddField(
            model_name='orderevent',
            name='actor_kind',
            field=models.CharField(choices=[('person', 'a person'), ('shop', 'the shop'), ('payer', 'the payer'), ('provider', 'the provider'), ('worker', 'the program'), ('api', 'the API'), ('import', 'the import of a statement')], default='person', max_length=8, verbose_name='who'),
        ),
        migrations.AlterField(
            model_name='orderevent',
            name='actor_name',
            field=models.CharField(blank=True, default='', max_length=150, verbose_name='name'),
        ),
        migrations.RunPython(tell_programs_from_people, migrations.RunPython.noop),
        migrations.RenameField(model_name='orderevent', old_name='detail', new_name='reason'),
        migrations.AlterField(
            model_name='orderevent',
            name='reason',
            field=models.CharField(blank=True, default='', max_length=500, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='orderevent',
            name='data',
            field=models.JSONField(blank=True, default=dict, verbose_name='data'),
        ),
        migrations.AddField(
            model_name='refund',
            name='data',
            field=models.JSONField(blank=True, default=dict, verbose_name='data'),
        ),
        migrations.AddField(
            model_name='discrepancy',
            name='closed_because',
            field=models.CharField(blank=True, default='', max_length=30, verbose_name='closed because'),
        ),
        migrations.RemoveConstraint(
            model_name='discrepancy',
            name='pagoefectivo_resolved_by_someone',
        ),
        migrations.AddConstraint(
            model_name='discrepancy',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'open'), models.Q(models.Q(('resolved_by', ''), _negated=True), models.Q(('closed_because', ''), ('reason', ''), _negated=True), ('resolved_at__isnull', False)), _connector='OR'), name='pagoefectivo_resolved_by_someone'),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='about',
            field=models.CharField(blank=True, default='', max_length=30, verbose_name='why'),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='data',
            field=models.JSONField(blank=True, default=dict, verbose_name='data'),
        ),
        migrations.RemoveConstraint(
            model_name='settlementline',
            name='pagoefectivo_ignored_for_reason',
        ),
        migrations.AddConstraint(
            model_name='settlementline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ('ignored', 'duplicate')), _negated=True), models.Q(('about', ''), ('reason', ''), _negated=True), _connector='OR'), name='pagoefectivo_ignored_for_reason'),
        ),
    ]
