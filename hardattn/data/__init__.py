"""Datasets: tensors of images and targets, and what is known about them."""

from hardattn.data.datasets import load as load
from hardattn.data.idx import DataError as DataError
from hardattn.data.own import own as own
from hardattn.data.splits import (
    Dataset as Dataset,
    Split as Split,
    moments as moments,
    stratified_split as stratified_split,
    subsample as subsample,
)
