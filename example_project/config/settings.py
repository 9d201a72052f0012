"""Settings of the example shop: every variable has a default, so that it runs without any.

By default the shop speaks with the sandbox on this machine, and needs it running with the same keys::

    python -m pagoefectivo_django.sandbox --port 8800 --service-id 1234 \
        --access-key EXAMPLESHOP000000001 --secret-key ExampleShopSecret00000000000000000000/+1 \
        --webhook-url http://127.0.0.1:8000/pagar/webhooks/default/

``make run`` starts all of it at once, with keys made for that run.
"""

import os
import secrets
from decimal import Decimal
from pathlib import Path

import django
import environ

from pagoefectivo_django.conf import from_env

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
#: What running writes: database, cache and mails.
VAR = Path(env.str("SHOP_FOLDER", default=str(BASE_DIR / "var")))
VAR.mkdir(mode=0o700, parents=True, exist_ok=True)

DEBUG = env.bool("DJANGO_DEBUG", default=True)
# Each run without a key makes one up, which ends the sessions of the run before; a real site has to have one.
# Not Django's `get_random_secret_key`: django-environ takes what begins with a dollar for the name of a variable.
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default=secrets.token_urlsafe(50)) if DEBUG else env.str("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = not DEBUG

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Before the package, whose templates it overrides.
    "shop.apps.ShopConfig",
    "pagoefectivo_django",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shop.cart.cart_and_order",
            ],
        },
    },
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": env.db("DATABASE_URL")
    if "DATABASE_URL" in env
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "shop.sqlite3"}
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # SQLite has no row locks: a transaction that reads, decides and writes has to own the file from its begin.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # Readers don't wait for the writer. `synchronous` stays FULL, so that an acknowledged payment survives a
        # power cut.
        "init_command": "PRAGMA journal_mode=WAL;",
    }

# In files, because the worker doesn't see a cache in the shop's memory and would ask for tokens of its own.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": VAR / "cache"}}

#: Nothing is sent: the shop shows what it would have sent on a page of its own.
MAILS = VAR / "mails"
DEFAULT_FROM_EMAIL = "Tienda Quipu <hola@quipu.example>"
_MAILER = "django.core.mail.backends.filebased.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MAILER, "OPTIONS": {"file_path": MAILS}}}
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = _MAILER, MAILS

USE_TZ = True
TIME_ZONE = "America/Lima"
LANGUAGE_CODE = "es"
LANGUAGES = [("es", "Español"), ("en", "English"), ("zh-hans", "简体中文")]

#: Used while no keys are given: a PagoEfectivo on this machine, where no payment is real.
LOCAL_SANDBOX = {
    "PAGOEFECTIVO_SERVICE_ID": "1234",
    "PAGOEFECTIVO_ACCESS_KEY": "EXAMPLESHOP000000001",
    "PAGOEFECTIVO_SECRET_KEY": "ExampleShopSecret00000000000000000000/+1",
    "PAGOEFECTIVO_BASE_URL": "http://127.0.0.1:8800/v1/",
    "PAGOEFECTIVO_PUBLIC_URL": "http://127.0.0.1:8000",
}
if "PAGOEFECTIVO_SERVICE_ID" not in env:
    env.ENVIRON = LOCAL_SANDBOX | os.environ
PAGOEFECTIVO = from_env(env) | {
    # What the contract of this made-up shop allows; it is shown at the checkout.
    "LIMITS": {"PEN": (Decimal(2), Decimal(3724))},
    # An order's page in the admin leads to the purchase.
    "ORDER_LINK": "shop.links.link_of",
}
# A second provider, which is asked where the first is down; the demo's sandbox plays both.
if env.str("DLOCAL_BASE_URL", default=""):
    PAGOEFECTIVO["CHANNELS"]["dlocal"] = {
        "BACKEND": "pagoefectivo_django.channels.dlocal.DlocalChannel",
        "OPTIONS": {"ENVIRONMENT": "sandbox"}
        | {name: env.str(f"DLOCAL_{name}") for name in ("BASE_URL", "LOGIN", "TRANS_KEY", "SECRET_KEY")},
    }
