"""The REST resources, one module for each: its routes and their handlers."""
