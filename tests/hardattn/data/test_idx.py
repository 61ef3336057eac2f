"""Files in the format of MNIST: where they are found, and every fault in one line."""

import gzip
import os
import random
import shutil
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from hardattn.data import DataError, datasets, load
from hardattn.data.idx import digest
from tests.support.datasets import STEMS, assert_equal, check, fails, idx, images, publish, put

has_mnist = pytest.mark.skipif(
    not os.environ.get("HARDATTN_DATA"), reason="HARDATTN_DATA names no folder with MNIST"
)


@pytest.mark.parametrize("folder", ["mnist", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dot", [False, True])
def test_idx_spellings(arrays, tmp_path, folder, suffix, dot):
    for stem, array in arrays.items():
        name = (stem.replace("-idx", ".idx") if dot else stem) + "-ubyte" + suffix
        put(tmp_path / folder / name, gzip.compress(idx(array), 1) if suffix else idx(array))
    assert_equal(load("mnist", tmp_path), arrays)


def test_root_then_environment_then_home(arrays, files, tmp_path, monkeypatch):
    monkeypatch.setenv("HARDATTN_DATA", str(files))
    assert_equal(load("mnist"), arrays)
    fails("mnist", tmp_path / "elsewhere", tmp_path / "elsewhere" / "mnist", STEMS[0])
    monkeypatch.delenv("HARDATTN_DATA")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    fails("mnist", None, tmp_path / "home" / ".cache" / "hardattn" / "mnist")
    (tmp_path / "home" / ".cache").mkdir(parents=True)
    (tmp_path / "home" / ".cache" / "hardattn").symlink_to(files)
    assert_equal(load("mnist"), arrays)


def test_one_dataset_is_never_taken_for_another(arrays, files):
    fails("fashion_mnist", files / "mnist", "fashion_mnist")
    assert_equal(load("mnist", files / "mnist"), arrays)


def test_known_data_are_told_by_their_content_not_by_their_place(arrays, files, monkeypatch):
    other = {stem: array[::-1].copy() for stem, array in arrays.items()}
    publish(monkeypatch, "fashion_mnist", other)
    raw = files / "FashionMNIST" / "raw"
    for stem, array in other.items():
        put(raw / f"{stem}-ubyte", idx(array))
    assert_equal(load("fashion_mnist", raw), other)
    message = fails("mnist", raw, raw / f"{STEMS[0]}-ubyte", "of fashion_mnist", "the dataset fash")
    assert "download" not in message
    shutil.copytree(files / "mnist", files / "MNIST" / "raw")
    fails("fashion_mnist", files / "MNIST" / "raw", STEMS[0], "of mnist, not", "the dataset mnist")


@pytest.mark.parametrize("stem", STEMS)
def test_one_foreign_file_or_byte_among_known_ones_is_refused(arrays, files, monkeypatch, stem):
    other = {key: array[::-1].copy() for key, array in arrays.items()}
    publish(monkeypatch, "fashion_mnist", other)
    path = files / "mnist" / f"{stem}-ubyte.gz"
    path.write_bytes(gzip.compress(idx(other[stem])))
    fails("mnist", files, path, f"{stem} of fashion_mnist, not {stem} of mnist")
    one_off = arrays[stem].copy()
    one_off.flat[7] = (one_off.flat[7] + 1) % 10
    path.write_bytes(idx(one_off))
    fails("mnist", files, path, f"published {stem} of mnist", digest(one_off)[:12], "folder:PATH")
    for level in (0, 9):
        path.write_bytes(gzip.compress(idx(arrays[stem]), level))
        assert_equal(load("mnist", files), arrays)


def test_absent_files_are_named(files):
    (files / "mnist" / f"{STEMS[3]}-ubyte.gz").unlink()
    message = fails("mnist", files, STEMS[3], files / "mnist", "HARDATTN_DATA")
    assert STEMS[0] not in message
    message = fails("fashion_mnist", files, *STEMS, "hardattn[hub]")


@contextmanager
def without_rights():
    """File permissions mean nothing to root, so step down for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_permission_denied(files):
    # Not tmp_path: its parents are shut to everyone but the one who runs the tests.
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        folder = Path(shutil.copytree(files / "mnist", Path(top) / "mnist"))
        path = folder / f"{STEMS[1]}-ubyte.gz"
        path.chmod(0)
        with without_rights():
            fails("mnist", top, path, "ermission denied", "readable")
        folder.chmod(0)
        with without_rights():
            fails("mnist", top, folder, "ermission denied", "readable")
        folder.chmod(0o755)


LABELS = np.arange(25, dtype=np.uint8) % 10


FAULTS = {
    "zero bytes": (0, b"", "0 bytes"),
    "zero bytes, zipped": (0, gzip.compress(b""), "0 bytes"),
    "a web page": (0, b"<!DOCTYPE html><html>404</html>", "0x3c21444f"),
    "labels for images": (0, idx(LABELS), "0x00000801"),
    "images for labels": (1, idx(images()), "0x00000803"),
    "floats": (0, idx(images(), magic=0xD03), "0x00000d03"),
    "header only": (0, idx(images())[:16], "at record 0"),
    "half a header": (0, idx(images())[:10], "10 bytes"),
    "truncated": (0, idx(images())[: 16 + 784 * 7 + 5], "at record 7 of the 25"),
    "truncated labels": (1, idx(LABELS)[:-3], "at record 22 of the 25"),
    "too long": (1, idx(LABELS) + b"ab", "2 bytes follow"),
    "no records": (0, idx(images(0)), "nothing"),
    "huge header": (0, struct.pack(">4I", 0x803, *[2**32 - 1] * 3), "at record 0"),
    "empty and huge": (0, struct.pack(">4I", 0x803, 0, *[2**32 - 1] * 2), "nothing"),
    "other size": (0, idx(images(side=27)), "25 x 1 x 27 x 27"),
    "too few labels": (1, idx(LABELS[:24]), "24 labels for the 25 images"),
    "label out of range": (
        1,
        idx(np.where(np.arange(25) == 9, 10, LABELS).astype("u1")),
        "record 9",
    ),
    "zip cut off": (0, gzip.compress(idx(images()), 0)[: 10 + 5 + 16 + 784 * 7 + 5], "at record 7"),
    "zip without its end": (0, gzip.compress(idx(images()))[:-1], "cut off at record 25"),
    "zip, wrong checksum": (0, gzip.compress(idx(images()))[:-8] + b"12345678", "incorrect data"),
    "zip, rubbish after": (1, gzip.compress(idx(LABELS)) + b"rubbish", "something follows"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_idx_file_is_one_line(files, fault):
    number, content, said = FAULTS[fault]
    path = files / "mnist" / f"{STEMS[number]}-ubyte.gz"
    path.write_bytes(content)
    fails("mnist", files, path, said, "right file" if "0x" in said else "download")


def test_a_count_that_is_not_the_official_one(files):
    put(files / "mnist" / f"{STEMS[2]}-ubyte.gz", idx(images(9)))
    put(files / "mnist" / f"{STEMS[3]}-ubyte.gz", idx(LABELS[:9]))
    fails("mnist", files, STEMS[2], "9 x 1 x 28 x 28", "10 x 1 x 28 x 28")


def test_a_folder_or_a_pipe_in_place_of_a_file(files):
    path = files / "mnist" / f"{STEMS[0]}-ubyte.gz"
    path.unlink()
    path.mkdir()
    fails("mnist", files, path, "not a file")
    path.rmdir()
    os.mkfifo(path)
    fails("mnist", files, path, "not a file")


def test_random_damage_to_a_gzip_is_harmless_or_told(arrays, files):
    rng = random.Random(0)
    harmless = 0
    for number in range(400):
        stem = rng.choice(STEMS)
        path = files / "mnist" / f"{stem}-ubyte.gz"
        whole = path.read_bytes()
        broken = bytearray(whole)
        if number % 3:
            # The header and the end are a few bytes of many: aim at them as often as at the rest.
            low, high = rng.choice([(0, 20), (0, len(whole)), (len(whole) - 8, len(whole))])
            broken[rng.randrange(low, high)] ^= 1 << rng.randrange(8)
        else:
            del broken[rng.randrange(len(whole)) :]
        path.write_bytes(broken)
        try:
            assert_equal(load("mnist", files), arrays)
            harmless += 1
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        path.write_bytes(whole)
    assert 0 < harmless < 100  # flips of the time stamp are harmless, nothing else is


@has_mnist
@pytest.mark.parametrize(
    "name, first, mean",
    [("mnist", [5, 0, 4, 1, 9], 33.3184), ("fashion_mnist", [9, 0, 0, 3, 0], 72.94)],
)
def test_the_real_files(name, first, mean):
    dataset = load(name)
    check(dataset, 1, 28)
    assert tuple(map(len, (dataset.train, dataset.validation, dataset.test))) == datasets.IDX_COUNTS
    assert dataset.train.labels[:5].tolist() == first
    total = sum(int(s.images.sum(dtype=torch.int64)) for s in (dataset.train, dataset.validation))
    assert total / (60_000 * 784) == pytest.approx(mean, abs=1e-3)


@has_mnist
def test_the_real_files_elsewhere_are_still_themselves(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.parent.mkdir()
    raw.symlink_to(Path(os.environ["HARDATTN_DATA"]).resolve() / "fashion_mnist")
    assert load("fashion_mnist", raw).fingerprint == load("fashion_mnist").fingerprint
    fails("mnist", raw, raw, f"{STEMS[0]} of fashion_mnist")


@has_mnist
def test_a_fingerprint_of_the_real_files():
    assert load("mnist").fingerprint == "c58af9e0505a3130"
    assert load("fashion_mnist").fingerprint == "f26343925b545426"
