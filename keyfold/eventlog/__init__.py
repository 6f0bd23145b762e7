"""The event log: an append-only log on local disk, written by serving and read by ingest."""
