import gzip
import os
import random
import shutil
import struct
import sys
import tempfile
import types
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from hardattn.data import DataError, Dataset, Split, datasets, load, stratified_split, subsample
from hardattn.data.idx import PUBLISHED, digest
from tests.support.pictures import deep_png

COUNTS = (20, 5, 10)
STEMS = datasets.IDX_STEMS
has_mnist = pytest.mark.skipif(
    not os.environ.get("HARDATTN_DATA"), reason="HARDATTN_DATA names no folder with MNIST"
)


def idx(array, magic=None):
    magic = {1: 0x801, 3: 0x803}[array.ndim] if magic is None else magic
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def arrays(monkeypatch):
    """What a small MNIST holds; the official counts are replaced by COUNTS."""
    monkeypatch.setattr(datasets, "IDX_COUNTS", COUNTS)
    monkeypatch.delenv("HARDATTN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    rng = np.random.default_rng(0)
    train, test = COUNTS[0] + COUNTS[1], COUNTS[2]
    made = {
        STEMS[0]: rng.integers(0, 256, (train, 28, 28), dtype=np.uint8),
        STEMS[1]: rng.integers(0, 10, train, dtype=np.uint8),
        STEMS[2]: rng.integers(0, 256, (test, 28, 28), dtype=np.uint8),
        STEMS[3]: rng.integers(0, 10, test, dtype=np.uint8),
    }
    publish(monkeypatch, "mnist", made)
    return made


def publish(monkeypatch, name, arrays):
    """Take these for what is published under that name."""
    monkeypatch.setitem(PUBLISHED, name, {stem: digest(array) for stem, array in arrays.items()})


@pytest.fixture
def files(arrays, tmp_path):
    for stem, array in arrays.items():
        put(tmp_path / "mnist" / f"{stem}-ubyte.gz", gzip.compress(idx(array), 1))
    return tmp_path


def assert_equal(dataset, arrays):
    images = torch.from_numpy(arrays[STEMS[0]])[:, None]
    labels = torch.from_numpy(arrays[STEMS[1]]).long()
    assert torch.equal(torch.cat([dataset.train.images, dataset.validation.images]), images)
    assert torch.equal(torch.cat([dataset.train.labels, dataset.validation.labels]), labels)
    assert torch.equal(dataset.test.images[:, 0], torch.from_numpy(arrays[STEMS[2]]))
    assert torch.equal(dataset.test.labels, torch.from_numpy(arrays[STEMS[3]]).long())
    assert tuple(map(len, (dataset.train, dataset.validation, dataset.test))) == COUNTS


def fails(name, root, *said):
    with pytest.raises(DataError) as caught:
        load(name, root)
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert str(part) in message
    return message


def check(dataset, channels, side):
    """What every dataset promises."""
    assert isinstance(dataset, Dataset)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.images.shape == (len(split), channels, side, side)
        assert split.images.dtype == torch.uint8 and split.images.is_contiguous()
        assert split.labels.shape == (len(split),) and split.labels.dtype == torch.int64
        assert set(split.labels.tolist()) == set(range(len(dataset.classes)))


def test_digits_are_scikit_learns_scaled_to_bytes():
    from sklearn.datasets import load_digits

    dataset = load("digits")
    check(dataset, 1, 8)
    bunch = load_digits()
    parts = stratified_split(bunch.target, 0.2, 0.2)
    assert sorted(np.concatenate(parts)) == list(range(1797))
    assert [len(part) for part in parts] == [1079, 359, 359]
    for split, part in zip((dataset.train, dataset.validation, dataset.test), parts, strict=True):
        assert torch.equal(split.labels, torch.from_numpy(bunch.target[part]))
        exact = bunch.images[part] * 255 / 16
        assert np.abs(split.images[:, 0].numpy() - exact).max() <= 0.5
    assert dataset.train.images.max() == 255
    # Written out: the split is the same in every release and on every machine.
    assert parts[0][:8].tolist() == [1, 3, 4, 6, 8, 9, 11, 14]
    assert parts[1][:5].tolist() == [0, 5, 10, 13, 18]
    assert parts[2][:5].tolist() == [2, 7, 12, 15, 20]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=0, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_deal_is_a_partition_with_each_class_in_each_share(labels, shares):
    labels = np.array(labels)
    parts = stratified_split(labels, *shares)
    assert len(parts) == 1 + len(shares)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        for part, share in zip(parts[1:], shares, strict=True):
            here = int((labels[part] == label).sum())
            if count >= 10:
                assert here == max(1, round(share * count))
        if count > len(shares) and count < 5:
            assert all((labels[part] == label).any() for part in parts)


def test_to_moves_every_tensor():
    moved = load("digits").to("meta")
    for split in (moved.train, moved.validation, moved.test):
        assert split.images.device.type == split.labels.device.type == "meta"
    assert load("digits", device="meta").test.images.is_meta


def test_the_fingerprint_is_of_the_content_alone():
    dataset = load("digits")
    # Written out: it is the same in every release and on every machine.
    assert dataset.fingerprint == "ea89642e534bf5e2"
    assert load("digits").fingerprint == dataset.fingerprint
    assert replace(dataset, name="another").fingerprint == dataset.fingerprint
    assert dataset.to("meta").fingerprint == dataset.fingerprint  # carried, not computed again
    if torch.cuda.is_available():
        assert load("digits", device="cuda").fingerprint == dataset.fingerprint
    strided = Split(
        dataset.test.images.transpose(2, 3).contiguous().transpose(2, 3), dataset.test.labels
    )
    assert not strided.images.is_contiguous()
    assert replace(dataset, test=strided).fingerprint == dataset.fingerprint


def changed(tensor, index):
    tensor = tensor.clone()
    tensor[index] = (tensor[index] + 1) % 10
    return tensor


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_one_pixel_label_class_or_place_makes_another_fingerprint(part):
    dataset = load("digits")
    split = getattr(dataset, part)
    others = [
        Split(changed(split.images, (-1, 0, 7, 7)), split.labels),
        Split(split.images, changed(split.labels, -1)),
        Split(split.images[:-1], split.labels[:-1]),
        Split(split.images.flip(0), split.labels.flip(0)),
        Split(split.images.reshape(-1, 1, 4, 16), split.labels),
    ]
    prints = {replace(dataset, **{part: other}).fingerprint for other in others}
    prints |= {dataset.fingerprint, replace(dataset, classes=dataset.classes[::-1]).fingerprint}
    assert len(prints) == len(others) + 2


@pytest.mark.parametrize("near, name", [("digits", "digitz"), ("mnist", "mnits"), ("choose", "q")])
def test_an_unknown_name_is_told_the_nearest(near, name):
    fails(name, None, near)


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


def images(n=25, side=28):
    return np.zeros((n, side, side), np.uint8)


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
    raw.symlink_to(Path(os.environ["HARDATTN_DATA"]) / "fashion_mnist")
    assert load("fashion_mnist", raw).fingerprint == load("fashion_mnist").fingerprint
    fails("mnist", raw, raw, f"{STEMS[0]} of fashion_mnist")


@has_mnist
def test_a_fingerprint_of_the_real_files():
    assert load("mnist").fingerprint == "c58af9e0505a3130"
    assert load("fashion_mnist").fingerprint == "f26343925b545426"


@pytest.fixture
def photos(tmp_path):
    """Two classes of RGB images 5 high and 7 wide, the label in the red channel."""
    for label, kind in enumerate(["cat", "dog"]):
        for number in range(10):
            array = np.full((5, 7, 3), number, np.uint8)
            array[..., 0] = label
            path = tmp_path / "photos" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return tmp_path / "photos"


def splits(dataset):
    return (dataset.train, dataset.validation, dataset.test)


def test_folder(photos):
    (photos / ".hidden").mkdir()
    (photos / "README.txt").write_text("not a class")
    (photos / "cat" / ".DS_Store").write_bytes(b"rubbish")
    dataset = load(f"folder:{photos}")
    assert dataset.classes == ("cat", "dog")
    numbers = []
    for split in splits(dataset):
        assert split.images.shape[1:] == (3, 5, 7) and split.images.dtype == torch.uint8
        assert torch.equal(split.images[:, 0, 0, 0].long(), split.labels) and len(split)
        numbers += (split.labels * 10 + split.images[:, 1, 2, 3]).tolist()
    assert sorted(numbers) == list(range(20))


def test_folder_greyscale_only_where_all_are(photos):
    for path in photos.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert load(f"folder:{photos}").train.images.shape[1:] == (1, 5, 7)
    Image.new("RGB", (7, 5), (1, 2, 3)).save(photos / "cat" / "9.png")
    every = load(f"folder:{photos}")
    images = torch.cat([split.images for split in splits(every)])
    assert images.shape == (20, 3, 5, 7)
    assert (images == torch.tensor([1, 2, 3])[:, None, None]).all((1, 2, 3)).sum() == 1


@pytest.mark.parametrize("ask, height, width", [("@4", 4, 4), ("@10x6", 10, 6)])
def test_folder_resized(photos, ask, height, width):
    Image.new("RGB", (50, 40)).save(photos / "dog" / "0.png")
    small = load(f"folder:{photos}{ask}")
    assert small.test.images.shape[1:] == (3, height, width)
    other = load(f"folder:{photos}@3")
    assert [len(split) for split in splits(small)] == [len(split) for split in splits(other)]


def test_a_folder_whose_own_name_looks_like_a_size(photos):
    own = photos.rename(photos.parent / "photos@2")
    assert load(f"folder:{own}").test.images.shape[1:] == (3, 5, 7)
    assert load(f"folder:{own}@3").test.images.shape[1:] == (3, 3, 3)
    assert load(f"folder:{own}@3x4").test.images.shape[1:] == (3, 3, 4)
    shutil.copytree(own, photos)
    fails(f"folder:{own}", None, f"folder:{own}/ ", f"folder:{photos}/@2 ")
    assert load(f"folder:{own}/").test.images.shape[1:] == (3, 5, 7)
    assert load(f"folder:{photos}/@2").test.images.shape[1:] == (3, 2, 2)


def where_is(dataset):
    """The split of each image, by its label and bytes."""
    found = {}
    for name in ("train", "validation", "test"):
        split = getattr(dataset, name)
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            colour = image.expand(3, -1, -1)
            found.setdefault((label, colour.numpy().tobytes()), set()).add(name)
    return found


def moved(before, after):
    """The images of both that are in other splits after than before."""
    old, new = where_is(before), where_is(after)
    return [key for key in old.keys() & new.keys() if old[key] != new[key]]


def stayed(before, after):
    """How many images both have."""
    return len(where_is(before).keys() & where_is(after).keys())


def noise(top, kinds, numbers):
    """A folder of different images: by class and number, whenever they are written."""
    for label, kind in enumerate(kinds):
        for number in numbers:
            rng = np.random.default_rng([label, number])
            path = top / kind / f"{rng.integers(10**6)}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(path)
    return top


def test_more_files_move_no_other(tmp_path):
    name = f"folder:{noise(tmp_path / 'few', 'abcde', range(20))}"
    before = load(name)
    after = load(f"folder:{noise(tmp_path / 'few', 'abcde', range(20, 31))}")
    assert stayed(before, after) == 100 and not moved(before, after)
    assert sum(map(len, splits(after))) == 155
    assert before.fingerprint != after.fingerprint
    # And one class more, which comes first and renumbers all others.
    noise(tmp_path / "few", ["A"], range(100, 120))
    more = load(name)
    shifted = {(label - 1, image): part for (label, image), part in where_is(more).items()}
    assert all(shifted[key] == part for key, part in where_is(after).items())


def test_names_dates_and_places_of_files_change_nothing(tmp_path):
    top = noise(tmp_path / "one", "abc", range(12))
    before = load(f"folder:{top}")
    for number, path in enumerate(sorted(top.rglob("*.png"))):
        os.utime(path, (number, number))
        path.rename(path.with_name(f"{-number % 7}-{number}.png"))
    shutil.copytree(top, tmp_path / "two")
    assert load(f"folder:{top}").fingerprint == before.fingerprint
    assert load(f"folder:{tmp_path / 'two'}").fingerprint == before.fingerprint


def test_copies_of_an_image_stay_together(tmp_path):
    top = noise(tmp_path / "own", "abc", range(12))
    for path in sorted(top.rglob("*.png")):
        Image.open(path).save(path.with_suffix(".bmp"))  # the same pixels in another format
        shutil.copy(path, top / "abc"[(ord(path.parent.name) - ord("a") + 1) % 3])
    dataset = load(f"folder:{top}")
    found = {}
    for (_, image), parts in where_is(dataset).items():
        found.setdefault(image, set()).update(parts)
    assert len(found) == 36 and all(len(parts) == 1 for parts in found.values())
    assert sum(map(len, splits(dataset))) == 3 * 36


def test_the_classes_take_turns(tmp_path):
    top = noise(noise(tmp_path / "own", "abcde", range(30)), "a", range(100, 150))
    for split in splits(load(f"folder:{top}")):
        counts = split.labels.bincount()
        for first in range(1, len(split) + 1):
            shown = split.labels[:first].bincount(minlength=5)
            # A class is behind another only where it has no more images.
            assert (shown == counts)[shown < shown.max() - 1].all()
        assert set(split.labels[:5].tolist()) == set(range(5))


def test_folder_without_classes(photos, tmp_path):
    fails(f"folder:{tmp_path / 'none'}", None, tmp_path / "none", "No such file")
    fails(f"folder:{photos / 'cat'}", None, photos / "cat", "0 class folders")
    (tmp_path / "one").mkdir()
    (photos / "cat").rename(tmp_path / "one" / "cat")
    fails(f"folder:{tmp_path / 'one'}", None, tmp_path / "one", "1 class folders")
    fails(f"folder:{photos / 'dog' / '0.png'}", None, "0.png")
    fails(f"folder:{photos}@0", None, "0 x 0")


def jpeg(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)).save(path)


def fractions(path):
    Image.fromarray(np.zeros((5, 7), np.float32)).save(path, format="TIFF")


def deeper(path):
    Image.fromarray(np.full((5, 7), 200, np.int32)).save(path, format="TIFF")


def deep_tiff(path):
    """16 bits a channel in colour, not compressed: 6 entries of 12 bytes, then what they name."""
    head = b"II*\0" + struct.pack("<IH", 8, 8)
    end = 8 + 2 + 8 * 12 + 4
    entries = [
        (256, 3, 1, 7), (257, 3, 1, 5), (258, 3, 3, end), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, end + 6), (277, 3, 1, 3), (279, 4, 1, 5 * 7 * 6),
    ]  # fmt: skip
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    path.write_bytes(head + body + struct.pack("<3H", 16, 16, 16) + bytes(5 * 7 * 6))


PHOTO_FAULTS = {
    "zero bytes": (lambda p: p.write_bytes(b""), "not readable as an image"),
    "text": (lambda p: p.write_text("hello"), "not readable as an image"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-25]), "not readable as an image"),
    "half": (lambda p: p.write_bytes(p.read_bytes()[:40]), "not readable as an image"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "not readable as an image"),
    "a dangling link": (lambda p: (p.unlink(), p.symlink_to("gone")), "not readable as an image"),
    "other size": (lambda p: Image.new("RGB", (7, 6)).save(p), "6 x 7, but"),
    "fractions": (fractions, "fractions"),
    "32 bits": (deeper, "more than 16 bits"),
    "16 bits in colour, not PNG": (deep_tiff, "as PNG in colour"),
}


@pytest.mark.parametrize("fault", PHOTO_FAULTS)
def test_a_faulty_image_is_one_line(photos, fault):
    damage, said = PHOTO_FAULTS[fault]
    path = photos / "dog" / "3.png"
    damage(path)
    fails(f"folder:{photos}", None, path, said)


def test_an_empty_class_folder(photos):
    (photos / "ape").mkdir()
    fails(f"folder:{photos}", None, photos / "ape", "0 images")


def test_random_damage_to_an_image_never_escapes(photos):
    rng = random.Random(0)
    path = photos / "cat" / "3.jpg"
    jpeg(path)
    whole = path.read_bytes()
    for number in range(60):
        broken = bytearray(whole)
        if number % 2:
            broken[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        else:
            del broken[rng.randrange(len(whole)) :]
        path.write_bytes(broken)
        try:
            assert load(f"folder:{photos}").train.images.shape[1:] == (3, 5, 7)
        except DataError as error:
            assert "\n" not in str(error)


class Rows(list):
    """Just as much of a Hub dataset's split as is read: images as they are stored."""

    def __init__(self, rows, features):
        super().__init__(rows)
        self.features = features

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)

    def cast_column(self, column, feature):
        assert isinstance(feature, type(self.features[column])) and not feature.decode
        return self


class HubImage:
    def __init__(self, decode=True):
        self.decode = decode


class HubLabel:
    def __init__(self, names):
        self.names = names


def png(number, side=6):
    file = BytesIO()
    Image.new("L", (side, side), number).save(file, format="PNG")
    return file.getvalue()


def alternate(i):
    return i % 2


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the package `datasets`, and the repositories that it knows."""
    module = types.ModuleType("datasets")
    module.Image, module.ClassLabel = HubImage, HubLabel
    known = {}
    module.load_dataset = lambda name: known[name]
    monkeypatch.setitem(sys.modules, "datasets", module)

    def split(count, label=alternate, side=6, names=("no", "yes"), start=0):
        features = {"id": object(), "img": HubImage(), "label": HubLabel(names)}
        image = [{"bytes": png(i, side), "path": None} for i in range(start, start + count)]
        return Rows([{"id": i, "img": image[i], "label": label(i)} for i in range(count)], features)

    return known, split


@pytest.mark.parametrize(
    "given",
    [
        {"train": 30, "validation": 6, "test": 8},
        {"train": 30, "test": 8},
        {"train": 30, "valid": 6},
        {"train": 30},
    ],
)
def test_hub_splits(hub, given):
    known, split = hub
    starts = {"train": 0, "validation": 100, "valid": 100, "test": 200}
    known["a/b"] = {key: split(count, start=starts[key]) for key, count in given.items()}
    dataset = load("hub:a/b")
    check(dataset, 1, 6)
    assert dataset.classes == ("no", "yes")
    train, validation, test = ([int(i) for i in s.images[:, 0, 0, 0]] for s in splits(dataset))
    for part in splits(dataset):
        assert torch.equal(part.images[:, 0, 0, 0] % 2, part.labels.byte())
    if "test" in given:
        assert test == list(range(200, 208))
    if "validation" in given:
        assert validation == list(range(100, 106)) and train == list(range(30))
    if "valid" in given:  # and no test
        assert test == list(range(100, 106))
    held_out = [number for number in train + validation + test if number < 30]
    assert sorted(held_out) == list(range(30)) and sum(n < 30 for n in train) > 12
    assert load("hub:a/b@3").test.images.shape == (len(test), 1, 3, 3)


def by_class(i):
    """The first third is of class 0, and so on."""
    return i // 8


@pytest.mark.parametrize("key", ["validation", "test"])
def test_hub_classes_go_by_their_names(hub, key):
    known, split = hub
    whole = {part: split(24, by_class, names=("a", "b", "c")) for part in ("train", key)}
    known["a/b"] = dict(whole)
    straight = load("hub:a/b")
    # The same images, in a split that numbers the classes c, a, b and another that knows two.
    known["a/b"] = whole | {key: split(24, lambda i: (i // 8 + 1) % 3, names=("c", "a", "b"))}
    assert load("hub:a/b").fingerprint == straight.fingerprint
    known["a/b"] = whole | {key: split(16, by_class, names=("a", "b"))}
    fewer_names = getattr(load("hub:a/b"), "test" if key == "validation" else key)
    assert fewer_names.labels.tolist() == [0, 1] * 8
    known["a/b"] = whole | {key: split(16, by_class, names=("a", "z"))}
    fails("hub:a/b", None, f"hub:a/b {key}", "'z'", "train has none")
    known["a/b"] = whole | {"train": split(16, by_class, names=("a", "b", "c"))}
    fails("hub:a/b", None, f"hub:a/b {key}", "'c'", "train has none")
    # A name without images harms nobody.
    known["a/b"] = whole | {key: split(24, by_class, names=("a", "b", "c", "z"))}
    assert load("hub:a/b").fingerprint == straight.fingerprint


@pytest.mark.parametrize("start", range(0, 200, 20))
@pytest.mark.parametrize("few", [1, 2])
def test_hub_a_class_of_one_or_two_images_stays_in_train(hub, few, start):
    known, split = hub
    known["a/b"] = {"train": split(30, lambda i: int(i < few), start=start)}
    dataset = load("hub:a/b")
    assert (dataset.train.labels == 1).any()
    assert all(len(part) for part in splits(dataset))


def test_hub_splits_sorted_by_class_take_turns(hub):
    known, split = hub
    known["a/b"] = {
        key: split(24, by_class, names=("a", "b", "c")) for key in ("train", "validation", "test")
    }
    for part in splits(load("hub:a/b")):
        assert part.labels.tolist() == [0, 1, 2] * 8
        assert part.images[::3, 0, 0, 0].tolist() == list(range(8))  # and stay in order


@pytest.mark.parametrize("key", ["train", "validation", "test"])
def test_hub_labels_that_are_kept_back(hub, key):
    known, split = hub
    known["a/b"] = {part: split(9) for part in ("train", "validation", "test")}
    known["a/b"][key] = split(9, label=lambda i: -1 if i in (4, 6) else 0)
    message = fails("hub:a/b", None, f"a/b {key}", "2 of 9", "record 4", "-1", f"{key} split has")
    assert "again" not in message
    known["a/b"][key] = split(9, label=lambda i: 2)
    assert "again" not in fails("hub:a/b", None, f"a/b {key}", "record 0", "label 2", "0 to 1")


def test_hub_faults(hub, monkeypatch):
    known, split = hub
    fails("hub:a/b", None, "a/b", "KeyError", "check the name")
    known["a/b"] = {"test": split(9)}
    fails("hub:a/b", None, "a/b", "test", "train")
    known["a/b"] = {"train": split(9, label=lambda i: None)}
    fails("hub:a/b", None, "a/b train", "label")
    known["a/b"] = {"train": split(0)}
    fails("hub:a/b", None, "a/b train", "no records")
    known["a/b"] = {"train": split(2)}
    fails("hub:a/b", None, "a/b train", "2 different images are too few")
    known["a/b"] = {"train": split(9)}
    list.__getitem__(known["a/b"]["train"], 5)["img"] = None
    fails("hub:a/b", None, "record 5", "not readable")
    known["a/b"]["train"].features.pop("img")
    fails("hub:a/b", None, "a/b train", "id, label")
    monkeypatch.setitem(sys.modules, "datasets", None)
    fails("hub:a/b", None, "hardattn[hub]")


def test_the_package_datasets_itself(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    top = noise(tmp_path / "own", "abc", range(12))
    turned = Image.open(next(top.rglob("*.png")))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(top / "a" / "turned.png", exif=exif)
    (top / "a" / "deep.png").write_bytes(deep_png(np.full((4, 4, 3), 200), 2))
    files = sorted(top.rglob("*.png"))
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["c", "b", "a"])
    )
    rows = {
        "image": [{"bytes": path.read_bytes(), "path": None} for path in files],
        "label": [path.parent.name for path in files],
    }
    given = datasets.DatasetDict(train=datasets.Dataset.from_dict(rows, features=features))
    monkeypatch.setattr(datasets, "load_dataset", lambda name: given)
    here, there = load(f"folder:{top}"), load("hub:own/own")
    assert there.classes == ("c", "b", "a")
    renamed = {(2 - label, image): part for (label, image), part in where_is(there).items()}
    assert renamed == where_is(here)
    rows["label"][3] = -1
    given["train"] = datasets.Dataset.from_dict(rows, features=features)
    fails("hub:own/own", None, "record 3", "label -1")


def test_mnist_is_fetched_where_absent(hub, tmp_path, monkeypatch):
    known, split = hub
    monkeypatch.setattr(datasets, "IDX_COUNTS", COUNTS)
    known["ylecun/mnist"] = {"train": split(25, side=28), "test": split(10, side=28)}
    ramp = np.arange(25, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
    labels = np.arange(25, dtype=np.uint8) % 2
    arrays = dict(zip(STEMS, (ramp, labels, ramp[:10], labels[:10]), strict=True))
    publish(monkeypatch, "mnist", arrays)
    assert_equal(load("mnist", tmp_path), arrays)
    fails("fashion_mnist", tmp_path, STEMS[0], "zalando-datasets/fashion_mnist")
    known["ylecun/mnist"]["test"] = split(10, side=28, start=1)
    fails("mnist", tmp_path, "ylecun/mnist test", f"published {STEMS[2]}")
    known["ylecun/mnist"]["test"] = split(9, side=28)
    fails("mnist", tmp_path, "ylecun/mnist test", "9 x 1 x 28 x 28")
    del known["ylecun/mnist"]["test"]
    fails("mnist", tmp_path, "ylecun/mnist", "its splits are train")
    put(Path(tmp_path) / "mnist" / f"{STEMS[0]}-ubyte", b"")
    fails("mnist", tmp_path, STEMS[1])


def numbered(labels):
    """Images that are their own numbers."""
    return Split(torch.arange(len(labels)).view(-1, 1, 1, 1), torch.tensor(labels))


def test_fewer_is_stratified_nested_and_fixed_by_the_seed():
    split = numbered([0] * 32 + [2] * 20 + [1] * 3)
    before = set()
    for share, counts in (
        (1 / 16, [2, 1, 2]),
        (0.1, [4, 1, 2]),
        (0.5, [16, 2, 10]),
        (1, [32, 3, 20]),
    ):
        part = subsample(split, share, seed=4)
        assert part.labels.bincount().tolist() == counts
        images = part.images.flatten().tolist()
        assert images == sorted(images) and before <= set(images)
        assert torch.equal(part.labels, split.labels[images])
        before = set(images)
    some = [subsample(split, 0.25, seed).images.flatten().tolist() for seed in (4, 4, 5)]
    assert some[0] == some[1] != some[2]
    assert torch.equal(subsample(split, 1, 0).images, split.images)


def test_shares_that_are_whole_numbers_are_not_rounded_up():
    split = numbered([0] * 30 + [1] * 70)
    assert subsample(split, 0.1, 0).labels.bincount().tolist() == [3, 7]


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_no_such_share(share):
    with pytest.raises(ValueError, match="share"):
        subsample(numbered([0, 1]), share, 0)
