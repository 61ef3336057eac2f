"""IDX, the file format of MNIST (yann.lecun.com/exdb/mnist), and the error of every unfit file."""

import hashlib
import math
import stat
import struct
import zlib
from pathlib import Path

import numpy as np

MAGIC = {1: 0x00000801, 3: 0x00000803}
AGAIN = "download it again"
# SHA-256 of the decompressed files. The files they were taken from have the MD5 sums that their
# authors (Fashion-MNIST) and the usual loaders (MNIST) publish of the compressed ones.
PUBLISHED = {
    "mnist": {
        "train-images-idx3": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train-images-idx3": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


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


def digest(array: np.ndarray) -> str:
    """The SHA-256 of the IDX file, not compressed, that holds these bytes: as in PUBLISHED."""
    head = struct.pack(f">{1 + array.ndim}I", MAGIC[array.ndim], *array.shape)
    content = hashlib.sha256(head)
    content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()


def check_published(name: str, stem: str, where: str, array: np.ndarray) -> None:
    """Raise DataError where the content is not that of the published file, whatever its name."""
    found = digest(array.astype(np.uint8, copy=False))
    if found == PUBLISHED[name][stem]:
        return
    for other, stems in PUBLISHED.items():
        for what, known in stems.items():
            if found == known:
                raise DataError(
                    f"{where}: this is {what} of {other}, not {stem} of {name}; put that of {name} "
                    f"there, or choose the dataset {other}"
                )
    raise DataError(
        f"{where}: its content is not that of the published {stem} of {name} (SHA-256 "
        f"{found[:12]}..., not {PUBLISHED[name][stem][:12]}...); {AGAIN}, or give other data as "
        "folder:PATH, under a name of their own"
    )


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
