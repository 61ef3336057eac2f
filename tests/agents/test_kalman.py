"""A memory that weighs looks as a Kalman filter does."""

import math

import torch
from torch import Tensor

from tests.support.agents import build, looked


def test_a_kalman_memory_is_attention_over_looks_and_the_prior() -> None:
    agent, world = build("agent kalman", looks=3)
    agent.double()
    with torch.no_grad():
        agent.prior_mean.normal_()
        agent.prior_log_precision.fill_(0.5)
    features: list[Tensor] = []
    agent.glimpse.register_forward_hook(lambda module, seen, out: features.append(out))
    states, decisions, _ = looked(agent, world, 3)
    for look in range(3):
        values = torch.stack([agent.prior_mean.expand(12, -1), *features[: look + 1]], 1)
        precision = agent.log_precision(values)[..., 0].exp()
        precision[:, 0] = math.exp(0.5)
        mean = (precision[..., None] * values).sum(1) / precision.sum(1, keepdim=True)
        assert torch.allclose(states[look].mean, mean)
        assert torch.allclose(states[look].log_precision[:, 0], precision.sum(1).log())
        assert torch.allclose(decisions[look].logits, agent.classifier(mean))


def test_without_a_prior_the_first_look_is_all_that_a_kalman_memory_holds() -> None:
    agent, world = build("agent kalman")
    features: list[Tensor] = []
    agent.double().glimpse.register_forward_hook(lambda module, seen, out: features.append(out))
    with torch.no_grad():
        agent.prior_mean.normal_()
    for log_precision, wanted in [(-1e4, lambda: features[-1]), (1e4, lambda: agent.prior_mean)]:
        with torch.no_grad():
            agent.prior_log_precision.fill_(log_precision)
        states, _, _ = looked(agent, world, 1)
        assert torch.allclose(states[0].mean, wanted().expand(12, -1))
