"""The store: commits of partials, offsets and ledger; dead letters; retention."""
