"""PatchDrop (Uzkent & Ermon 2020, CVPR, arXiv:2003.00425)."""

import torch
from torch import Tensor, nn

from hardattn.distributions import IndependentBernoulli
from hardattn.nn.layers import CellScores, PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation


class PatchDrop(nn.Module):
    """Decides from a coarse view which patches to see finely, each for itself, and pays for them.

    p = sigmoid(CellScores(view) + bias), of which a mask is drawn; the answer is that of a CNN to
    the image with all other patches blanked. Charges price * (share of patches)^2 at the look that
    decides, in the mean over masks, which is exact: see `charged`. For a `Patches` sensor, a world
    that tells a coarse view, and two looks: at the first, which is the world's, nothing is shown.
    Made for `self_critical`, whose baseline is the mask that is taken in use; where an answer that
    knows nothing yet is not worth a patch, all are dropped before it learns, so that recipes begin
    as the paper does, with the answer and all patches, by `three_phases`.

    glimpse: (C, H, W). context: (C, h, w). grid: rows and columns of patches, the sensor's.

    Departures: the paper rewards 1 - share^2 if the answer is right and punishes it if not; here
    the loss is the cross-entropy and the price of the share, whether right or not. Its released
    code draws by probabilities that are kept off 0 and 1, a p + (1 - a) (1 - p); here by p. The
    bias of the policy makes it begin by keeping `prior` of all patches. The policy reads the view
    by three convolutions, for a ResNet-8; the CNN that answers has no norm, which would take the
    blank image of the first look into its statistics.

    Args:
        context: Shape of the view that is told before the first look, (C, h, w).
        grid: Rows and columns of patches, the sensor's.
        features: Width of what the image says.
        filters: Channels of the convolutions, in the CNN that answers of the first.
        price: Charged for all patches.
        prior: Probability of a patch, to begin with.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        features: int = 64,
        filters: int = 16,
        price: float = 1.0,
        prior: float = 0.7,
    ):
        super().__init__()
        if len(glimpse) != 3 or len(context) != 3:
            raise ValueError(
                "PatchDrop is shown an image of which patches are blanked, and told a view of it: "
                f"choose the sensor 'patches' and the context 'coarse', not {tuple(glimpse)} and "
                f"{tuple(context)}"
            )
        if not 0 < prior < 1:
            raise ValueError(f"the prior is a probability between 0 and 1, not {prior}")
        self.cells, self.price = grid[0] * grid[1], price
        self.scores = CellScores(context[0], grid, filters)
        self.bias = nn.Parameter(torch.logit(torch.tensor(prior)))
        self.image = PatchNet(tuple(glimpse), features, filters)
        self.answer = nn.Linear(features, classes)

    def start(self, context: Tensor) -> Tensor:
        """(B, N) logits of the mask; 0 where nothing is told."""
        if context.dim() < 4:
            return context.new_zeros(context.shape[0], self.cells)
        return self.scores(context) + self.bias

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        shown = seen.glimpse * (seen.step > 0)[:, None, None, None]
        logits = self.answer(self.image(shown[:, None])[:, 0])
        nought = torch.zeros_like(seen.step)
        cost = self.charged(state) * (seen.step == 0)
        return state, Decision(IndependentBernoulli(state), logits, nought, cost)

    def charged(self, state: Tensor) -> Tensor:
        """(B,): the expectation of price * (share of patches)^2 over masks, which is exact.

        The square of the mean share, and its variance.
        """
        share = state.sigmoid()
        return self.price * (share.mean(1) ** 2 + (share * (1 - share)).mean(1) / self.cells)
