"""What the Makefile runs beside pytest and the linters."""
