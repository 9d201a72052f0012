"""Celery does what the worker does."""
