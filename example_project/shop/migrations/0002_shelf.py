"""Something to sell."""

from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SHELF = (
    (
        "cafe-de-chanchamayo",
        "Café de Chanchamayo",
        "500 g en grano, de tueste medio, cosechados a 1 600 metros. Saben a cacao y a panela.",
        Decimal("34.90"),
        "shop/coffee.svg",
    ),
    (
        "chompa-de-alpaca",
        "Chompa de alpaca",
        "Tejida a mano en Puno con lana de alpaca bebé. Abriga sin pesar.",
        Decimal("189.00"),
        "shop/jumper.svg",
    ),
    (
        "chocolate-de-cusco",
        "Chocolate de Cusco, 70 %",
        "Cacao chuncho de Quillabamba y azúcar de caña; nada más.",
        Decimal("12.50"),
        "shop/chocolate.svg",
    ),
)


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Put the products on the shelf."""
    names = ("slug", "name", "description", "price", "picture")
    product = apps.get_model("shop", "Product")  # type: ignore[misc]  # not an app of the project mypy knows
    for row in SHELF:
        product.objects.using(schema_editor.connection.alias).create(**dict(zip(names, row, strict=True)))


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
