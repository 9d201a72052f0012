from types import SimpleNamespace
from typing import Any

from django.templatetags.static import static
from oscar.core.thumbnails import AbstractThumbnailer


class Original(AbstractThumbnailer):  # type: ignore[misc]
    """Oscar's picture of what has none: what makes small pictures is a package of the shop's choice."""

    def generate_thumbnail(self, source: Any, **opts: Any) -> Any:
        return SimpleNamespace(url=static("oscar/img/image_not_found.jpg"))
