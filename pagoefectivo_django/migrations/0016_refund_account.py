from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pagoefectivo", "0015_nobody_waits"),
    ]

    operations = [
        migrations.AddField(
            model_name="orderevent",
            name="refund",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="pagoefectivo.refund",
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="refunded",
            field=models.DecimalField(
                decimal_places=2, default=Decimal("0"), max_digits=18, verbose_name="reserved for refunds"
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["deferred_wish"], name="pagoefectivo_order_deferred"),
        ),
    ]
