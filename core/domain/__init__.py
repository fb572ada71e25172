"""The nouns of the server as frozen values and pure rules; no I/O."""
