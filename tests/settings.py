"""The project that the tests run in. ``tests/servers.py`` says how to choose the database."""

from typing import Any

from tests import servers

SECRET_KEY = "made-up-for-the-tests"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular_sidecar",
    "pagoefectivo_django",
    "pagoefectivo_django.api",
    "tests.shop.apps.ShopConfig",
    "tests.payments_shop",
    # Connected by the tests that are about it.
    "tests.contrib.webhooks.apps.QuietWebhooksConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
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
            ],
        },
    },
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"

DATABASES = servers.databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

USE_TZ = True
TIME_ZONE = "America/Lima"
LANGUAGE_CODE = "en"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
}

PAGOEFECTIVO: dict[str, Any] = {
    "CHANNELS": {
        "default": {
            "BACKEND": "pagoefectivo_django.channels.memory.MemoryChannel",
            "OPTIONS": {"WEBHOOK_SECRETS": ["made-up-webhook-secret"]},
        },
    },
    # Connected by the tests that are about them.
    "MESSAGES": (),
    # Nobody waits for the pace at which a provider is asked, but the tests that are about it.
    "SEARCHES_PER_MINUTE": 60_000,
}

# The shop on django-payments; its tests connect the bridge's receiver.
PAYMENT_HOST = "testserver"
PAYMENT_MODEL = "payments_shop.Payment"
PAYMENT_VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pagoefectivo": ("pagoefectivo_django.contrib.django_payments.provider.PagoEfectivoProvider", {}),
}
