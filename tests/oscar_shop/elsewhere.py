from typing import Any


class Elsewhere:
    """A router that has our tables in a database of their own."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "ours" if model._meta.app_label == "pagoefectivo" else None

    db_for_read = db_for_write
