"""The tables as sets of rows: one repository per noun, its SQL beside it, lists in and lists out.

One call is one statement (arrays and ``unnest``), so that the engine can fold many concurrent
calls into one commit.
"""
