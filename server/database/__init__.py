"""The one database: pool, migrations, notifications, and a private PostgreSQL for development."""
