from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('pagoefectivo', '0016_refund_account'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='cip',
            index=models.Index(fields=['channel', 'account'], name='pagoefectivo_cip_alias'),
        ),
    ]
