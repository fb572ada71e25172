"""How the server lives as processes: gunicorn supervises equal workers, each a whole server."""
