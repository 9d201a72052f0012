from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pagoefectivo", "0009_addresses")]

    operations = [
        migrations.AlterField(
            model_name="refusal",
            name="reason",
            field=models.CharField(
                choices=[
                    ("unsigned", "no signature"),
                    ("unproven", "no current secret made its signature"),
                    ("source", "its sender's address is not listed"),
                    ("too_large", "too large"),
                    ("no_length", "sent in pieces, and this server does not tell where they end"),
                ],
                max_length=10,
                verbose_name="reason",
            ),
        ),
    ]
