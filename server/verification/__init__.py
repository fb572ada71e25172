"""Tells whether an edition's file, what lies beside it and its unpacked copies are as the build made them.

The build seals with the same code that checks, so there is one definition of what a whole edition is. Imports the
standard library alone: ``verify`` must work, and soon, on a file of which one does not know what state it is in.
"""
