"""Repositories: one for each kind of thing, with its SQL beside it. They accept and return lists.

One call runs one statement on arrays (``unnest``), so that the engine can write many concurrent calls by one commit.
"""
