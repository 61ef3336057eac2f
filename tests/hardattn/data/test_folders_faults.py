"""Folders of images: how they are split, and every fault in one line."""

import os
import random
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from hardattn.data import DataError, load
from tests.support.datasets import fails, moved, noise, splits, where_is


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


def stayed(before, after):
    """How many images both have."""
    return len(where_is(before).keys() & where_is(after).keys())


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
