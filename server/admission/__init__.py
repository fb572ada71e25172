"""Admission of calls: one order of steps for both protocols, caps on calls under way, and the answers to errors."""
