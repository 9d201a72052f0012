from wagtail.admin.panels import HelpPanel


class PurchasesPanel(HelpPanel):
    """The orders of a page, in the page's editor, with links to their pages in Django's admin."""

    class BoundPanel(HelpPanel.BoundPanel):
        def is_shown(self) -> bool:
            return bool(self.instance.pk and self.request.user.has_perm("pagoefectivo.view_order"))
