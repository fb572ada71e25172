"""Commands that speak to a running server over its REST API; each group of them is a module of ``server.cli``."""
