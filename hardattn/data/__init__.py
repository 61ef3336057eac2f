"""Datasets: tensors of images and targets, and what is known about them."""

from hardattn.data.datasets import (
    Dataset as Dataset,
)
from hardattn.data.datasets import (
    Split as Split,
)
from hardattn.data.datasets import (
    fewer as fewer,
)
from hardattn.data.datasets import (
    load as load,
)
from hardattn.data.idx import (
    DataError as DataError,
)
from hardattn.data.splits import (
    deal as deal,
)
