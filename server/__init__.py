"""The server: turns the contracts of ``core`` into a running process. Read ``server.boot.startup`` first."""
