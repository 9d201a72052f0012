"""The least that a Django project needs: ``.ci/run`` installs the wheel beside it and lets Django look."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
