"""The demo: programs on this machine, a visitor who uses them over HTTP, and the story they play."""
