"""Fuzz targets; see README.rst."""
