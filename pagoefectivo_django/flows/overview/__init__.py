"""What the owner wants to know in the morning: was I paid, is anything wrong, is it still working. Reads only."""
