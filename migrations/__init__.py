"""The core schema as forward migrations (``NNNN_verb_object.sql``), and the linter of all migrations (``lint``)."""
