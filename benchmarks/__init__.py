"""How fast it is, as ratios in one run: ``python -m benchmarks [tick] [expire] [poll] [settle] [desk]``."""
