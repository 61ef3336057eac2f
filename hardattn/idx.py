"""IDX, the file format of MNIST (yann.lecun.com/exdb/mnist), and the error of every unfit file."""

import math
import stat
import struct
import zlib
from pathlib import Path

import numpy as np

MAGIC = {1: 0x00000801, 3: 0x00000803}
AGAIN = "download it again"


class DataError(ValueError):
    """One line: which file or dataset, which record, what is wrong, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """An IDX file of unsigned bytes in `ndim` dimensions, gzip or not; read-only."""
    data = _read(path)
    if data[:2] == b"\x1f\x8b":
        data = _unzip(data, path, ndim)
    head = 4 + 4 * ndim
    if len(data) < head:
        raise DataError(f"{path}: {len(data)} bytes are no IDX file; {AGAIN}")
    magic = int.from_bytes(data[:4], "big")
    if magic != MAGIC[ndim]:
        raise DataError(
            f"{path}: starts with 0x{magic:08x}, where an IDX file of {ndim} dimensions starts "
            f"with 0x{MAGIC[ndim]:08x}; put the right file there"
        )
    shape = _shape(data, ndim)
    wanted, given = math.prod(shape), len(data) - head
    if not wanted:
        raise DataError(f"{path}: announces {' x '.join(map(str, shape))}: nothing; {AGAIN}")
    if given < wanted:
        raise DataError(
            f"{path}: cut off {_place(data, ndim)} of the {shape[0]} it announces; {AGAIN}"
        )
    if given > wanted:
        raise DataError(
            f"{path}: {given - wanted} bytes follow the last of the {shape[0]} records it "
            f"announces; {AGAIN}"
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: not a file; put the IDX file itself there")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; make it readable") from error


def _unzip(packed: bytes, path: Path, ndim: int) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    data = bytearray()
    for at in range(0, len(packed), 4096):
        try:
            data += stream.decompress(packed[at : at + 4096])
        except zlib.error as error:
            place = _place(data, ndim)
            raise DataError(
                f"{path}: corrupt gzip data, noticed {place} ({error}); {AGAIN}"
            ) from error
        if stream.eof:
            if (stream.unused_data + packed[at + 4096 :]).strip(b"\0"):
                raise DataError(f"{path}: something follows the end of the gzip data; {AGAIN}")
            return bytes(data)
    raise DataError(f"{path}: gzip data cut off {_place(data, ndim)}; {AGAIN}")


def _shape(data: bytes | bytearray, ndim: int) -> tuple[int, ...]:
    return struct.unpack_from(f">{ndim}I", data, 4)


def _place(data: bytes | bytearray, ndim: int) -> str:
    """Where the data ends: in which record."""
    head = 4 + 4 * ndim
    if len(data) < head:
        return "in the header"
    return f"at record {(len(data) - head) // max(1, math.prod(_shape(data, ndim)[1:]))}"
