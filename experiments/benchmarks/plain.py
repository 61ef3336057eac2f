"""RAM as one writes it first, to compare with: plain PyTorch, an image at a time.

Images come one by one through a DataLoader, glimpses are cut by a loop over the batch, and what is
to be printed is read back at every update. The sizes are those of the RAM that it stands beside:
six looks of 8x8, 128 and 128 units, 256 in the core. Nothing is slow on purpose, and nothing here
uses hardattn.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

SIDE, SIZE, LOOKS, CLASSES, HIDDEN, STD = 28, 8, 6, 10, 256, 0.17
MEAN, SPREAD = 0.1307, 0.3081  # of MNIST's pixels


class Images(Dataset[tuple[Tensor, int]]):
    """MNIST as torchvision gives it: a picture at a time, to a tensor, normalised.

    Its steps are those of torchvision.datasets.MNIST with ToTensor and Normalize, which most write
    in front of their RAM.
    """

    def __init__(self, images: Tensor, labels: Tensor):
        self.images, self.labels = images[:, 0], labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        return normalised(to_tensor(picture)), int(self.labels[index])


def to_tensor(picture: Image.Image) -> Tensor:
    """A grey picture as (1, H, W) numbers from 0 to 1."""
    pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True))
    pixels = pixels.view(picture.size[1], picture.size[0], len(picture.getbands()))
    return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


def normalised(image: Tensor) -> Tensor:
    """An image with the mean and the spread of MNIST's taken off."""
    image = image.clone()
    mean = torch.as_tensor((MEAN,), dtype=image.dtype, device=image.device)
    spread = torch.as_tensor((SPREAD,), dtype=image.dtype, device=image.device)
    if (spread == 0).any():
        raise ValueError("a spread of 0 cannot be divided by")
    return image.sub_(mean.view(-1, 1, 1)).div_(spread.view(-1, 1, 1))


def cut(images: Tensor, places: Tensor) -> Tensor:
    """The window of each image around its place: (B, C * SIZE * SIZE)."""
    half = SIZE // 2
    padded = F.pad(images, (half, half, half, half))
    start = (0.5 * (places + 1) * SIDE).long()
    end = start + SIZE
    windows = []
    for i in range(len(images)):
        windows.append(padded[i, :, start[i, 1] : end[i, 1], start[i, 0] : end[i, 0]])
    return torch.stack(windows).flatten(1)


class PlainRAM(nn.Module):
    """The recurrent attention model of Mnih et al. (2014), layer by layer."""

    def __init__(self) -> None:
        super().__init__()
        self.what = nn.Linear(SIZE * SIZE, 128)
        self.where = nn.Linear(2, 128)
        self.what_to_features = nn.Linear(128, HIDDEN)
        self.where_to_features = nn.Linear(128, HIDDEN)
        self.input_to_hidden = nn.Linear(HIDDEN, HIDDEN)
        self.hidden_to_hidden = nn.Linear(HIDDEN, HIDDEN)
        self.classifier = nn.Linear(HIDDEN, CLASSES)
        self.locator = nn.Linear(HIDDEN, 2)
        self.baseline = nn.Linear(HIDDEN, 1)

    def step(
        self, images: Tensor, place: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A look: the state, the next place, its log-probability, the return to be expected."""
        what = F.relu(self.what(cut(images, place)))
        where = F.relu(self.where(place))
        features = F.relu(self.what_to_features(what) + self.where_to_features(where))
        hidden = F.relu(self.input_to_hidden(features) + self.hidden_to_hidden(hidden))
        mean = torch.tanh(self.locator(hidden.detach()))
        policy = Normal(mean, STD)
        drawn = policy.sample()
        log_probability = policy.log_prob(drawn).sum(dim=1)
        value = self.baseline(hidden.detach()).squeeze(1)
        return hidden, torch.clamp(drawn, -1, 1), log_probability, value

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Six looks: log-probabilities of the classes; of the places, and the values, by look."""
        place = torch.empty(len(images), 2, device=images.device).uniform_(-1, 1)
        hidden = torch.zeros(len(images), HIDDEN, device=images.device)
        log_probabilities, values = [], []
        for _ in range(LOOKS):
            hidden, place, log_probability, value = self.step(images, place, hidden)
            log_probabilities.append(log_probability)
            values.append(value)
        answer = F.log_softmax(self.classifier(hidden), dim=1)
        return answer, torch.stack(log_probabilities, dim=1), torch.stack(values, dim=1)


class PlainTraining:
    """A loop over batches: REINFORCE with a learned baseline, Adam."""

    def __init__(self, images: Tensor, labels: Tensor, batch: int = 128, device: str = "cpu"):
        torch.manual_seed(0)
        self.device = device
        self.model = PlainRAM().to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-4)
        self.loader = DataLoader(
            Images(images, labels), batch_size=batch, shuffle=True, drop_last=True
        )
        self.batches = self._forever()
        self.losses: list[float] = []
        self.accuracies: list[float] = []

    def _forever(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def update(self, batch: tuple[Tensor, Tensor] | None = None) -> None:
        """One batch: the next of the loader, or this one."""
        images, labels = next(self.batches) if batch is None else batch
        images, labels = images.to(self.device), labels.to(self.device)
        answer, log_probabilities, values = self.model(images)
        right = (answer.argmax(dim=1) == labels).float()
        reward = right.unsqueeze(1).repeat(1, LOOKS)
        advantage = reward - values.detach()
        loss = F.nll_loss(answer, labels) + F.mse_loss(values, reward)
        loss = loss + torch.sum(-log_probabilities * advantage, dim=1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        self.accuracies.append(100 * right.mean().item())

    def measure(self, batch: tuple[Tensor, Tensor] | None = None) -> float:
        """Percent of a batch that are answered right, as one validates."""
        self.model.eval()
        with torch.no_grad():
            images, labels = next(self.batches) if batch is None else batch
            answer, _, _ = self.model(images.to(self.device))
            right = (answer.argmax(dim=1) == labels.to(self.device)).float().mean().item()
        self.model.train()
        return 100 * right
