from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pagoefectivo", "0013_packed_messages"),
    ]

    operations = [
        migrations.AddField(
            model_name="cip",
            name="answer",
            field=models.CharField(blank=True, default="", editable=False, max_length=100),
        ),
    ]
