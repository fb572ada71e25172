"""The REST side: falcon's ASGI app, one guard before every route, one mapping of errors."""
