from django.apps import AppConfig


class StormConfig(AppConfig):
    name = "tests.storm"
    label = "storm"

    def ready(self) -> None:
        from .receivers import EARS

        for name, ear in EARS.items():
            for signal in ear.signals:
                signal.connect(ear.function, dispatch_uid=name, atomic=ear.atomic)
