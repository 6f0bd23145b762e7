"""Keyfold: SQL-defined views of event streams, kept in RocksDB and served by key."""
