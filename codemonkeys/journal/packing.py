"""Texts as they are stored compressed: by zstd, alone or against another text; by zlib in runs of older versions."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable

ZLIB = b"\x78"
"""First byte of a text that an older version compressed."""
AGAINST = b"\x00"
"""First byte, with which no zstd frame begins, of a text compressed against another one, whose SHA-256 follows."""
LEVEL = 3
HASH_END = 33


class BrokenText(sqlite3.DatabaseError):
    """A stored text cannot be decompressed."""


def pack(data: bytes) -> bytes:
    """Compress the bytes of a text by themselves."""
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL).compress(data)


def pack_against(data: bytes, base: bytes, digest: str) -> bytes:
    """Compress the bytes of a text against those of a similar one, needed again to read it. `digest`: that one's."""
    import zstandard

    # The window must reach over all of the other text.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, source_size=len(data), dict_size=len(base), write_content_size=True
    )
    dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)
    return AGAINST + bytes.fromhex(digest) + compressor.compress(data)


def unpack(packed: bytes, read: Callable[[str], bytes]) -> bytes:
    """The bytes of a stored text. `read`: those of another text, by its hash. Raises BrokenText."""
    if packed[:1] == ZLIB:
        try:
            return zlib.decompress(packed)
        except zlib.error as error:
            raise BrokenText(f"a text cannot be decompressed: {error}") from None
    import zstandard

    try:
        if packed[:1] != AGAINST:
            return zstandard.ZstdDecompressor().decompress(packed)
        base = read(packed[1:HASH_END].hex())
        dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(packed[HASH_END:])
    except zstandard.ZstdError as error:
        raise BrokenText(f"a text cannot be decompressed: {error}") from None
    except KeyError as error:
        raise BrokenText(f"a text is compressed against {error}, which is not stored") from None
