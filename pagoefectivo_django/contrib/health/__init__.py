"""Checks for django-health-check: the worker, its queues, clocks and providers."""
