"""Families of aggregates, one module per group; registry.py has them by name."""
