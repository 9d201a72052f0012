"""What is read and never written: balance, exports, evidence, health, sales."""
