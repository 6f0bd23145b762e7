"""The reader processes: replicas of the state, answering lookups over HTTP."""
