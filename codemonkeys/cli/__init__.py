"""The `codemonkeys` command. Modules here only parse arguments, call the library and print."""

from codemonkeys.cli.app import main

__all__ = ["main"]
