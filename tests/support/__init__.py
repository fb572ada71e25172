"""What tests share: a real PostgreSQL, a running server, and a worker to drive it."""
