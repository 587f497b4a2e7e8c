"""CodeMonkeys takes real software issues and returns patches that resolve them."""

__version__ = "0.1.0"
