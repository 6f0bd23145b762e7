"""The algebra of views: types, aggregate laws, windows, plans and codecs. Pure: no I/O."""
