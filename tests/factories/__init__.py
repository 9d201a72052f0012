"""What the tests make: a module a subject; each function works with no argument, by the real flows where there are."""
