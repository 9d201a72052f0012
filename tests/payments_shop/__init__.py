"""A shop on django-payments, made as the package's manual says: a model, a view, its URLs.

The package's own ``testapp`` is in no wheel, also not in one built from its sources, so no lock can install it.
"""
