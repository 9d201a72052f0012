"""The recipes of the manual, which shows these files as they are, and the tests that run them."""
