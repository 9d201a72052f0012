"""An integration by which Celery does the worker's rounds and delivers events."""
