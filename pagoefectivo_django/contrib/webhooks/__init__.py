"""Outgoing webhooks: a shop's further systems hear its events by signed HTTP requests (Standard Webhooks)."""
