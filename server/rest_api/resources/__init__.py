"""One module per noun: its routes as values and their handlers."""
