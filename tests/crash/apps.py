from django.apps import AppConfig


class CrashConfig(AppConfig):
    name = "tests.crash"
    label = "crash"

    def ready(self) -> None:
        from . import receivers

        receivers.connect()
