"""Bias, noise and cost of every gradient estimator, side by side: what to know before choosing one.

One small agent looks twice at scattered digits; its second look is a choice among nine cells, a
mask of nine patches, or a point of the plane. The first two can be enumerated, so that the exact
gradient is known; of the third, the mean of many pathwise gradients stands for it.

`hardattn estimators` prints the table and writes a page with the picture; `--save`
writes experiments/results/studies/gradients.json, from which the README's table is made.
"""

import time
from collections.abc import Callable
from functools import partial

import plotly.graph_objects as graph
import torch
from plotly.subplots import make_subplots
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.data import load
from hardattn.distributions import Categorical, Gaussian, IndependentBernoulli, LocationDistribution
from hardattn.estimators import ESTIMATORS, Loss
from hardattn.rollout import Decision
from hardattn.scenes import Scenes, translated
from hardattn.sensors import Cells, GaussianWindow, Patches, Sensor
from hardattn.tasks import Classify
from hardattn.world import Observation, World

from ..kinds import Json
from ..records.committed import STUDIES

SAVED = STUDIES / "gradients.json"
KINDS = ("cells", "mask", "point")
CANVAS, GRID, CLASSES = 24, 3, 10
FITS = 100  # updates of an estimator that learns something itself, before it is measured
EVERY = {"cells": GRID * GRID, "mask": 2 ** (GRID * GRID)}  # episodes, where they are finitely many


class Looker(nn.Module):
    """A rectified glimpse net, one recurrent layer, and a choice of a kind; for measuring only."""

    def __init__(self, kind: str, hidden: int = 32):
        super().__init__()
        self.kind = kind
        side = CANVAS if kind == "mask" else CANVAS // GRID
        width = 2 if kind == "point" else GRID * GRID
        self.glimpse = nn.Linear(side * side + width, hidden)
        self.core = nn.Linear(2 * hidden, hidden)
        self.answer = nn.Linear(hidden, CLASSES)
        self.where = nn.Linear(hidden, width)
        self.posterior = nn.Linear(hidden + CLASSES, width)
        self.critic = nn.Linear(hidden, 1)

    def start(self, context: Tensor) -> Tensor:
        return context.new_zeros(len(context), self.core.out_features)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        glimpse = torch.cat([seen.glimpse.flatten(1), seen.location], 1)
        state = torch.tanh(self.core(torch.cat([F.relu(self.glimpse(glimpse)), state], 1)))
        value = self.critic(state.detach())[:, 0]
        place = self._place(self.where(state))
        return state, Decision(place, self.answer(state), value, torch.zeros_like(value))

    def guide(self, state: Tensor, target: Tensor) -> LocationDistribution:
        label = F.one_hot(target, CLASSES).to(state.dtype)
        return self._place(self.posterior(torch.cat([state, label], 1)))

    def _place(self, numbers: Tensor) -> LocationDistribution:
        if self.kind == "cells":
            return Categorical(numbers)
        return (
            IndependentBernoulli(numbers)
            if self.kind == "mask"
            else Gaussian(torch.tanh(numbers), 0.2)
        )


def setting(kind: str) -> tuple[Looker, World]:
    """The agent and the world of two looks for one kind of place."""
    sensors: dict[str, Callable[[], Sensor]] = {
        "cells": lambda: Cells(GRID, GRID),
        "mask": lambda: Patches(GRID, GRID),
        "point": lambda: GaussianWindow(CANVAS // GRID, sigma=0.7),
    }
    sensor: Sensor = sensors[kind]()
    return Looker(kind), World(sensor, Classify(CLASSES), 2, first="centre")


def names(kind: str) -> list[str]:
    """The estimators that can be used with that kind of place, as their rows say."""
    agent, world = setting(kind)
    image = torch.zeros(1, 1, CANVAS, CANVAS, dtype=torch.uint8)
    none = torch.zeros(1, dtype=torch.int64)
    blank = Scenes(image, none, torch.zeros(1, 1, 4), none)
    return [name for name, row in ESTIMATORS.items() if not row.refusal(agent, world, blank)]


def measure(
    kind: str, train: int, calls: int, batch: int, seed: int, say: Callable[[str], None]
) -> list[Json]:
    """One row an estimator: bias, noise and seconds of a gradient of `batch` scenes."""
    torch.manual_seed(seed)
    digits = load("digits").train
    agent, world = setting(kind)
    generator = torch.Generator().manual_seed(seed)
    make = partial(translated, canvas=CANVAS)

    def draw(count: int) -> Scenes:
        index = torch.randint(len(digits), (count,), generator=generator)
        return make(digits, index, generator)

    # Gradients of an untrained agent say little: looks matter to nobody who cannot answer.
    warm = ESTIMATORS["pathwise" if kind == "point" else "enumerated"].make
    descent = torch.optim.Adam(agent.parameters(), 3e-3)
    for _ in range(train):
        descent.zero_grad()
        warm(agent, world, draw(128), generator).total.backward()
        descent.step()

    critic = torch.optim.Adam(agent.critic.parameters(), 1e-2)
    for _ in range(train):
        critic.zero_grad()
        ESTIMATORS["learned_baseline"].make(agent, world, draw(128), generator).total.backward()
        critic.step()

    scenes = draw(batch)
    if kind == "point":
        pathwise = [gradient(agent, world, scenes, warm, generator) for _ in range(20 * calls)]
        exact = torch.stack(pathwise).mean(0)
    else:
        exact = gradient(agent, world, scenes, warm, generator)
    rows = []
    for name in names(kind):
        torch.manual_seed(seed)
        estimator = ESTIMATORS[name].build(agent, world)
        if isinstance(estimator, nn.Module):
            fit(estimator, agent, world, draw, generator)
            estimator.eval()
        since = time.process_time()
        found = torch.stack(
            [gradient(agent, world, scenes, estimator, generator) for _ in range(calls)]
        )
        seconds = (time.process_time() - since) / calls
        rows.append({"estimator": name, "place": kind, **figures(found, exact, seconds)})
        say(f"{kind:6} {name:24}" + line(rows[-1]))
    return rows


def fit(
    estimator: nn.Module,
    agent: nn.Module,
    world: World,
    draw: Callable[[int], Scenes],
    generator: torch.Generator,
) -> None:
    """Let an estimator that learns learn, with the agent held still."""
    own = list(estimator.parameters())
    estimator.train()
    descent = torch.optim.Adam(own, 1e-2) if own else None
    for _ in range(FITS):
        total = estimator(agent, world, draw(64), generator).total
        if descent is not None:
            for weight, slope in zip(own, torch.autograd.grad(total, own), strict=True):
                weight.grad = slope
            descent.step()


def gradient(
    agent: nn.Module,
    world: World,
    scenes: Scenes,
    estimator: Callable[..., Loss],
    generator: torch.Generator,
) -> Tensor:
    """(weights,) one estimate, for the weights that decide where to look."""
    total = estimator(agent, world, scenes, generator).total
    weights = list(agent.where.parameters())  # type: ignore[union-attr]
    found = torch.autograd.grad(total, weights, allow_unused=True)
    return torch.cat(
        [
            torch.zeros_like(weight).flatten() if slope is None else slope.flatten()
            for weight, slope in zip(weights, found, strict=True)
        ]
    )


def figures(found: Tensor, exact: Tensor, seconds: float) -> dict[str, float | bool]:
    """Bias and noise relative to the exact gradient's length, and what they come to.

    bias: |mean - exact| / |exact|, less what the noise of the mean explains. noise: the root of the
    summed variance of one gradient over |exact|. signal: |mean| over that root. cosine: of the mean
    with the exact one. work: seconds of gradients to average until the noise is as long as the
    signal.
    """
    calls, length = len(found), exact.norm()
    variance = found.var(0).sum()
    off = ((found.mean(0) - exact) ** 2).sum() - variance / calls
    signal = found.mean(0).norm() / variance.sqrt().clamp_min(1e-12)
    return {
        "bias": (off.clamp_min(0).sqrt() / length).item(),
        "bias_seen": bool((off > 4 * variance / calls) & (off.sqrt() > 1e-3 * length)),
        "noise": (variance.sqrt() / length).item(),
        "signal": min(signal.item(), 1e6),
        "cosine": F.cosine_similarity(found.mean(0), exact, 0).item(),
        "milliseconds": 1000 * seconds,
        "work": 1000 * seconds * max(1.0, (variance.sqrt() / length).item() ** 2),
    }


def line(row: Json) -> str:
    """One row of the printed table."""
    bias = f"{row['bias']:6.2f}" if row["bias_seen"] else "     -"
    return (
        f"bias {bias}   noise {row['noise']:8.2f}   signal/noise {row['signal']:8.3f}   "
        f"{row['milliseconds']:7.2f} ms   {row['work']:10.1f} ms to signal = noise"
    )


def markdown(result: Json) -> str:
    """Make the README's table, least work first within a kind of place."""
    heads = {
        "cells": f"One of {GRID * GRID} cells",
        "mask": f"A mask of {GRID * GRID} patches",
        "point": "A point of the plane",
    }
    text = [
        "| second look | estimator | episodes | bias | noise | ms | ms to signal = noise |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for kind in KINDS:
        rows = [row for row in result["rows"] if row["place"] == kind]
        for row in sorted(rows, key=lambda row: row["work"]):
            bias = f"{row['bias']:.2f}" if row["bias_seen"] else "–"
            many = ESTIMATORS[row["estimator"]].episodes or EVERY[kind]
            noise = f"{row['noise']:.2f}" if row["noise"] > 1e-4 else "0"
            text.append(
                f"| {heads[kind]} | `{row['estimator']}` | {many} | {bias} | {noise} | "
                f"{row['milliseconds']:.1f} | {row['work']:.0f} |"
            )
    made = result["made_with"]
    text.append("")
    text.append(
        "ms: of one gradient. Noise and bias are relative to the length of the exact gradient of "
        f"the looking weights ({result['batch']} scenes, {result['calls']} gradients each); "
        f"– is no bias that these show. {made['processor']}, one thread, torch {made['torch']}. "
        f"`hardattn estimators --save`"
    )
    return "\n".join(text) + "\n"


def picture(result: Json) -> str:
    """A self-contained page: seconds until the noise is as long as the signal, a bar each."""
    titles = ("one of nine cells", "a mask of nine patches", "a point of the plane")
    page = make_subplots(1, 3, subplot_titles=titles, horizontal_spacing=0.16)
    most = 0
    for column, kind in enumerate(KINDS, 1):
        rows = [row for row in result["rows"] if row["place"] == kind]
        rows.sort(key=lambda row: -row["work"])
        most = max(most, len(rows))
        for biased, colour in ((False, "#0072b2"), (True, "#d55e00")):
            some = [row for row in rows if bool(ESTIMATORS[row["estimator"]].biased) == biased]
            page.add_trace(
                graph.Bar(
                    y=[row["estimator"] for row in some],
                    x=[row["work"] for row in some],
                    customdata=[[row["bias"], row["noise"], row["milliseconds"]] for row in some],
                    orientation="h",
                    marker={"color": colour},
                    name="biased, or of another objective" if biased else "unbiased",
                    legendgroup=str(biased),
                    showlegend=column == 1,
                    hovertemplate="%{y}: %{x:.1f} ms to signal = noise<br>%{customdata[2]:.2f} ms "
                    "a gradient, noise %{customdata[1]:.2f}, bias %{customdata[0]:.2f}"
                    "<extra></extra>",
                ),
                1,
                column,
            )
        order = [row["estimator"] for row in rows]
        page.update_yaxes(categoryorder="array", categoryarray=order, row=1, col=column)
    page.update_xaxes(type="log", title="ms to signal = noise", matches="x")
    page.update_layout(
        title="Gradient estimators: the shorter, the sooner a direction shows through the noise",
        template="simple_white",
        height=160 + 24 * most,
        barmode="overlay",
        legend={"orientation": "h", "y": 1.08, "x": 0.6},
        font={"family": "system-ui, sans-serif"},
    )
    return str(page.to_html(include_plotlyjs="inline", full_html=True))
