"""The REST API: orders, refunds, events and books for shops on any platform, by Django REST framework."""
