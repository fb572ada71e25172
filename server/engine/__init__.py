"""The use cases of the server, one module per noun: they decide, ``server.storage`` does."""
