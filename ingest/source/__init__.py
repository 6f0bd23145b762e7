"""Doors to where messages come from: Kafka, the HTTP event log, files."""
