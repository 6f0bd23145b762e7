"""From SQL text to a frozen plan. Pure: no I/O."""
