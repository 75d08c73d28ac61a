"""The version of musegen."""

__version__ = "0.1.0"
