"""PNG files of 16 bits a channel, which Pillow reads in part and cannot write."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 4, 6
# Adam7: first row and column of each pass, and its steps.
PASSES = [
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
]  # fmt: skip


def deep_png(
    array: np.ndarray,
    kind: int,
    clear: list[int] | None = None,
    orientation: int = 1,
    interlaced: bool = False,
) -> bytes:
    """The file of (H, W, C) numbers of 0 to 65,535. clear: the colour that is transparent."""
    height, width = array.shape[:2]
    parts = [array[y::dy, x::dx] for y, x, dy, dx in PASSES] if interlaced else [array]
    data = b"".join(row for part in parts if part.size for row in _rows(part))
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, interlaced)
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    chunks = [(b"IHDR", head), (b"eXIf", exif)]
    if clear is not None:
        chunks.append((b"tRNS", struct.pack(f">{len(clear)}H", *clear)))
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _rows(array: np.ndarray) -> Iterator[bytes]:
    """Each row, every other as differences from the pixel before it."""
    for number, row in enumerate(array.astype(">u2")):
        line = np.frombuffer(row.tobytes(), np.uint8).reshape(len(row), -1)
        if number % 2:
            line = np.diff(line, axis=0, prepend=np.zeros_like(line[:1]))
        yield bytes([number % 2]) + line.tobytes()
