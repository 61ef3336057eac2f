"""Guided attention inference, GAIN (Li, Wu, Peng, Ernst, Fu 2018, arXiv:1802.10171), as a head."""

import torch
from torch import Tensor, nn
from torch.func import grad
from torch.nn import functional as F

from hardattn.maps import AttentionMap, charge


class GAIN(nn.Module):
    """A classifier that pays for evidence outside of its own Grad-CAM.

    s(f) = Lin(mean_hw(relu(conv3x3(f)))). For the class c that it answers, Grad-CAM is
    A = relu(sum_j w_j f_j) with w = mean_hw(ds_c / df); T = sigmoid(sharpness (A - threshold)), A
    scaled to [0, 1] in each image, hides what A shows: f* = f - T f. Charges
    price * softmax(s(f*))_c, whose gradient passes through w, so A grows until nothing of the class
    is left. (B, C, H, W) -> (B, K). Map: A, (B, 1, H, W); it moves the charge, not the answer.

    Departures: the paper hides a part of the image and sees the rest again; a head has only
    features, and hides these. The paper's class is the label, which a head is not shown. It charges
    the score itself, which has no floor; here its probability. Threshold and sharpness are from
    other implementations, which differ: the paper's text was not at hand.

    Args:
        price: Of what it charges.
        threshold: Of the map, above which a place is masked out.
        sharpness: Of that threshold.
    """

    placement = "pooling"

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        price: float = 1.0,
        threshold: float = 0.5,
        sharpness: float = 10.0,
    ):
        super().__init__()
        self.price, self.threshold, self.sharpness = price, threshold, sharpness
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.classifier = nn.Linear(channels, classes)
        self.map = AttentionMap("gradient")

    def pooled(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C), what the classifier reads."""
        return F.relu(self.conv(features)).mean((2, 3))

    def activation(self, features: Tensor, answer: Tensor) -> Tensor:
        """Grad-CAM of the classes `answer`, (B,): (B, 1, H, W), at least zero."""
        weight = self.classifier.weight[answer]
        # torch.func.grad is a gradient under no_grad, too, and has gradients of its own.
        slope = grad(lambda f: (weight * self.pooled(f)).sum())(features)
        return F.relu((slope.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        logits = self.classifier(self.pooled(x))
        answer = logits.argmax(1)
        activation = self.map(self.activation(x, answer))
        least, most = activation.amin((2, 3), True), activation.amax((2, 3), True)
        scaled = (activation - least) / (most - least).clamp_min(1e-6)
        hidden = torch.sigmoid(self.sharpness * (scaled - self.threshold))
        rest = self.classifier(self.pooled(x - hidden * x)).softmax(1)
        charge(self.price * rest.gather(1, answer[:, None])[:, 0])
        return logits
