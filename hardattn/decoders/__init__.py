"""What answers at every place: `Decoder(deep, fine, maps)`, one paper a file.

A decoder takes two feature maps of a network, `deep` (B, C, h, w) and `fine` (B, C', H, W), and
returns a tuple of tensors whose first is the answer, (B, maps, H, W) logits. The others are what
its method `instructed` asks for to supervise it on the way: `instructed(answers, truth)` of those
tensors and of (B, H, W) true answers, -1 where nothing is asked, is a loss for each image, (B,),
beside that of the answer. The table is DECODERS.
"""

from collections.abc import Callable

from torch import nn

from hardattn.decoders.class_feature import ClassFeature as ClassFeature
from hardattn.decoders.decoder import Decoder as Decoder
from hardattn.decoders.inference import Inference as Inference
from hardattn.decoders.plain import Plain as Plain
from hardattn.decoders.pyramid import Pyramid as Pyramid
from hardattn.decoders.region import Region as Region
from hardattn.decoders.reverse import Reverse as Reverse

DECODERS: dict[str, Callable[..., nn.Module]] = {
    "plain": Plain,
    "class_feature": ClassFeature,
    "reverse": Reverse,
    "inference": Inference,
    "pyramid": Pyramid,
    "region": Region,
}
