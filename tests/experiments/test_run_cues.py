"""What a run keeps to be shown holds the cue of scenes that have one, and nothing of others."""

import torch

from hardattn.data import Split
from hardattn.experiments.run import _pictures
from hardattn.scenes import matching, plain


def test_the_cue_is_kept_as_a_copy_of_its_own() -> None:
    image = torch.randint(256, (20, 1, 6, 6), dtype=torch.uint8)
    split = Split(image, torch.arange(20) % 10)
    made = matching(split, torch.arange(8), torch.Generator().manual_seed(0), canvas=24)
    kept = _pictures(made.slice(0, 3))
    assert torch.equal(kept["cue"], made.cue[:3]) and len(kept["image"]) == 3
    assert kept["cue"].untyped_storage().nbytes() == 3 * made.cue[0].numel() * 4
    assert _pictures(plain(split, torch.arange(3))).keys() == {"image", "target", "box"}
