"""Reports, which read and never write: balance, exports, evidence, health, sales."""
