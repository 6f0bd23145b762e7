"""From message bytes to typed Arrow columns and rejects."""
