"""Personal data is forgotten by the clock or erased for one payer."""
