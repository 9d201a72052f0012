"""An integration by which Django's tasks do the worker's rounds and deliver events."""
