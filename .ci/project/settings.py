SECRET_KEY = "made-up"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "pagoefectivo_django"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "shop.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
ROOT_URLCONF = "urls"
USE_TZ = True
PAGOEFECTIVO = {
    "CHANNELS": {
        "default": {
            "BACKEND": "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel",
            "OPTIONS": {
                "ENVIRONMENT": "sandbox",
                "SERVICE_ID": 1234,
                "ACCESS_KEY": "made-up",
                "SECRET_KEY": "made-up",
            },
        }
    }
}
