"""The one hook that `pip download` calls: states what the distribution states of itself, and builds nothing."""

from email.parser import HeaderParser
from pathlib import Path


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:
    """Write the metadata of the source distribution in the working folder; returns its folder's name."""
    text = Path("PKG-INFO").read_text(encoding="utf-8")
    header = HeaderParser().parsestr(text)
    folder = Path(metadata_directory, f"{header['Name']}-{header['Version']}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(text, encoding="utf-8")
    return folder.name
