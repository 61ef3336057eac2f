"""Kalman pooling: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import maps_of
from tests.support.pooling_blocks import build, features, linear

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "kalman": lambda c, k: 2 * c + 1 + linear(c, k),
}


def test_kalman_pooling_is_the_mean_of_the_posterior() -> None:
    """Gaussian measurements of one vector, one after the other, in any order."""
    x, head = features(), build("kalman")
    with torch.no_grad():
        head.prior_mean.normal_()
        head.prior_log_precision.fill_(0.3)
    for i in range(2):
        mean, variance = head.prior_mean, torch.exp(-head.prior_log_precision)
        for place in x[i].flatten(1).T.flip(0):
            noise = torch.exp(-head.log_precision.weight[0] @ place)
            gain = variance / (variance + noise)
            mean, variance = mean + gain * (place - mean), (1 - gain) * variance
        torch.testing.assert_close(head(x)[i], head.classifier(mean))


def test_kalman_pooling_without_a_prior_is_softmax_attention() -> None:
    x, head = features(), build("kalman")
    places = x.flatten(2).transpose(1, 2)
    with torch.no_grad():
        head.prior_mean.normal_()
        head.prior_log_precision.fill_(-1e4)
        weights = (places @ head.log_precision.weight[0]).softmax(1)
        wanted = head.classifier((weights[:, None] @ places)[:, 0])
        torch.testing.assert_close(head(x), wanted)
        (one,) = maps_of(head, x)
        torch.testing.assert_close(one.density, weights.view(2, 3, 4))


def test_kalman_pooling_that_is_sure_of_its_prior_does_not_look() -> None:
    x, head = features(), build("kalman")
    with torch.no_grad():
        head.prior_mean.normal_()
        head.prior_log_precision.fill_(1e4)
        torch.testing.assert_close(head(x), head.classifier(head.prior_mean).expand(2, -1))
