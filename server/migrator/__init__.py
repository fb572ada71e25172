"""The migrator: applies migrations, keeps their history, and compares the catalog before and after each of them."""
