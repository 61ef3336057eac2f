"""Learning to look so that what is answered agrees with who sees everything."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.estimators.actor_critic import generalised_advantage
from hardattn.estimators.score_function import Loss, expected, exploring, misfit, surrogate
from hardattn.nn.layers import ResidualCNN
from hardattn.rollout import Agent, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World, whole


class FullViewTeacher(nn.Module):
    """Actor-critic paid by agreement with a net that sees the whole image. Biased.

    STAM (Rangrej, Srinidhi & Clark 2022, CVPR, arXiv:2204.00656). q is what the teacher says of the
    image, p_t what the agent answers after look t. Answers descend (1 - balance) times the task's
    loss and balance times the cross-entropy of p_t against q; each look pays KL(p_t || q), credited
    by generalised advantages, with gae_lambda 0 the one step of the paper: the look's own, and what
    the critic expects from there on. The teacher learns from the same scenes, by their classes, and
    is gone in use. So in training, and there alone, it is known what the whole image looks like.

    It is a small residual net that takes any image; of several channels each for itself, and the
    mean of what is said.

    Departures: the teacher learns beside the agent, where the paper has one that was trained; one
    answer is taught both ways, for the two that the paper averages; the critic's targets are not
    normalised, nor is the reward; a batch is an update, for an update after each look.

    Args:
        balance: Weight of the teacher beside the classes, from 0 to 1.
        gae_lambda: Lambda of the generalised advantage.
        gamma: Discount of what later looks are worth.
        ent_coef: Weight of the entropy of the looks.
        teacher_width: Channels of the teacher's first stage.
    """

    def __init__(
        self,
        agent: Agent,
        world: World,
        *,
        balance: float = 0.5,
        gae_lambda: float = 0.0,
        gamma: float = 1.0,
        ent_coef: float = 0.0,
        teacher_width: int = 10,
    ):
        super().__init__()
        if not 0 <= balance <= 1:
            raise ValueError(f"a balance is the share of the teacher, from 0 to 1, not {balance}")
        self.balance, self.gae_lambda, self.gamma = balance, gae_lambda, gamma
        self.ent_coef = ent_coef
        self.teacher = ResidualCNN(1, world.task.classes, teacher_width)

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        if scenes.target.dim() != 1:
            raise ValueError("a teacher of the whole image answers one question: of its class")
        path = exploring(rollout(agent, world, scenes, sample, generator), self.ent_coef)
        said = self.said(whole(scenes))
        taught, told = said.detach().log_softmax(-1), path.logits.log_softmax(-1)
        apart = (told.exp() * (told - taught)).sum(-1).detach() * path.alive
        short = -(taught.exp() * told).sum(-1) * path.alive / len(told)
        advantage, target = generalised_advantage(
            path, self.gae_lambda, self.gamma, path.cost + apart
        )
        loss = (1 - self.balance) * path.loss + self.balance * short
        total = surrogate(path._replace(loss=loss), advantage)
        total = total + misfit(path, expected(path), target)
        total = total + F.cross_entropy(said, scenes.target)
        return Loss(total, path, advantage)

    def said(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K): what the teacher says of whole images."""
        return self.teacher(image.flatten(0, 1)[:, None]).unflatten(0, image.shape[:2]).mean(1)
