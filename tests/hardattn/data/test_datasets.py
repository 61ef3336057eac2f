"""Datasets by name, and what makes them the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hardattn.data import Split, load, stratified_split
from tests.support.datasets import check, fails


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
