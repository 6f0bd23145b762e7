"""The lake process: Iceberg snapshots of the state."""
