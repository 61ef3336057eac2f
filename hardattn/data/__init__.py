"""Datasets: tensors of images and targets, and what is known about them."""

from hardattn.data.datasets import (
    Dataset as Dataset,
    Split as Split,
    fewer as fewer,
    load as load,
)
from hardattn.data.idx import (
    DataError as DataError,
)
from hardattn.data.splits import (
    deal as deal,
)
