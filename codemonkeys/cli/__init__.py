"""The `codemonkeys` command. Modules here parse, call and print; everything else happens elsewhere."""

from codemonkeys.cli.app import app as main

__all__ = ["main"]
