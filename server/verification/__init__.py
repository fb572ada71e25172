"""Verifies that an edition's file, the files beside it and its unpacked copies are as the build wrote them.

The build seals with the code that verifies, so that an intact edition is defined once. The package imports the standard
library alone: ``verify`` must work, and start quickly, on a file that may be damaged.
"""
