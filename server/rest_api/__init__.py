"""The REST API: falcon's ASGI app, with a guard before every route."""
