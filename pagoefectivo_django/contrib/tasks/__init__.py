"""Django's own tasks do what the worker does."""
