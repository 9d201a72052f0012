"""The programs of the storm.

``python -m tests.storm web PORT | shop SANDBOX NUMBER ORDERS SEED | callers SANDBOX ORDERS SEED | calm``
"""

import importlib
import json
import os
import sys

import django

django.setup()
if "TEST_BROKER_URL" in os.environ:
    importlib.import_module("tests.contrib.celery_app")  # as a project does that has Celery

from tests.storm import caller, calm, shopper, web  # noqa: E402

match sys.argv[1:]:
    case ["web", port]:
        web.serve(int(port))
    case ["shop", sandbox, number, orders, seed]:
        shop = shopper.Shop(sandbox, int(number), seed)
        shop.run(int(orders))
        json.dump({"did": shop.did, "manners": shop.manners}, sys.stdout)
    case ["callers", sandbox, orders, seed]:
        json.dump(caller.Callers(sandbox, seed).run(int(orders)), sys.stdout)
    case ["calm"]:
        json.dump(calm.calm(), sys.stdout)
    case _:
        sys.exit(__doc__)
