"""Prometheus metrics, in the registry of ``prometheus_client``."""
