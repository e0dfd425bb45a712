"""The version of this package; ``setup.py`` reads this file as text."""

__version__ = "1.0.0.dev0"
