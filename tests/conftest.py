"""Fixtures for all tests; those of one house live beside its tests."""

pytest_plugins = ["tests.kafka_broker"]
