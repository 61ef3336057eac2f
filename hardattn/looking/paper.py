"""Ink on paper, as digits are here: white on black, whatever the light was."""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 3  # of telling ink from paper, and light from paper alone
SPREADS = 3.0  # standard deviations of the paper that are paper still


def ink(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How much of a photograph of writing is ink: (H, W) of grey -> (H, W), 0 paper, 255 ink.

    The light on the paper may fall off from side to side: it is taken for a plane, which is fitted
    to the paper alone. What is darker than that is ink where it is nearer to it in the threshold of
    Otsu (1979, "A threshold selection method from gray-level histograms"). Ink has to be darker
    than its paper; a photograph of one shade has none.
    """
    down, right = np.indices(photo.shape).reshape(2, -1)
    plane = np.stack([np.ones(photo.size), down / photo.shape[0], right / photo.shape[1]], 1)
    shades = photo.astype(np.float64).ravel()
    paper = np.ones(photo.size, bool)
    for _ in range(ROUNDS):
        light = np.linalg.lstsq(plane[paper], shades[paper], rcond=None)[0]
        left = shades - plane @ light
        if np.ptp(left) < 1.0:
            return np.zeros_like(photo)
        paper = left > threshold(left)
    edge = left[paper].mean() - SPREADS * left[paper].std()
    dark = left[~paper].mean()
    share = (edge - left) / max(edge - dark, 1.0)
    return (share.clip(0.0, 1.0) * 255).round().astype(np.uint8).reshape(photo.shape)


def threshold(values: NDArray[np.float64], bins: int = 256) -> float:
    """Where a histogram falls into two classes whose means lie farthest apart (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = (counts * middles).cumsum()
    apart = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(edges[1:-1][apart.argmax()])
