"""The use cases of the server, one module per noun. They decide; ``server.storage`` reads and writes."""
