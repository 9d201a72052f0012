"""A Wagtail site that sells from its pages, of the settings that Wagtail's manual names: the recipe shows its code."""
