"""How fast, side by side in one run on one core: `make bench`, `hardattn bench throughput`.

Times are process CPU seconds on the CPU and event times on a GPU, the least of several alternating
rounds, so that another process on the machine moves them little. `--save` writes them to
experiments/results/studies/benchmark.json.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import Split
from hardattn.device import choose, tune
from hardattn.rollout import rollout
from hardattn.scenes import Scenes, cluttered, plain
from hardattn.sensors import Retina
from hardattn.training.loop import shortened
from hardattn.training.metrics import TrainingMetrics
from hardattn.training.optimizers import OPTIMIZERS

from .. import build
from ..committed import STUDIES
from ..kinds import Json
from ..machine import made_with
from ..recipes import RECIPES

SAVED = STUDIES / "benchmark.json"
RECIPE = "ram-learned-baseline-mnist"
ROUNDS = 7


def measure(where: str, save: bool) -> None:
    """Measure, print, and save if asked."""
    device = choose(where)
    product = tune(threads=1)
    rows = [*training(device, product), *glimpses(device)]
    for row in rows:
        print(f"{row['what']:64}{row['rate']:>12,.0f} {row['unit']:10}{row['ratio']:6.2f} x")
    if save:
        result = {"rows": rows, "rounds": ROUNDS, "made_with": made_with(device, 1, product)}
        SAVED.write_text(json.dumps(result, indent=1) + "\n")
        print(SAVED)


def training(device: torch.device, product: str) -> list[Json]:
    """Whole updates of a recipe on random pixels, against the default product."""
    recipe = RECIPES[RECIPE]
    batch, size = recipe.training.batch_size, (1, 28, 28)
    generator = torch.Generator(device).manual_seed(0)
    images = torch.randint(256, (10_000, *size), generator=generator, device=device)
    split = Split(images.to(torch.uint8), torch.arange(10_000, device=device) % 10)
    world = build.world(recipe.problem, 10, size)
    agent = build.agent(recipe.agent, world.sensor.shape(size), world, size).to(device)
    weights = list(agent.parameters())
    descent, tally = OPTIMIZERS["adam"].make(weights, 1e-3, 0.9, 0.0), TrainingMetrics(device)
    estimator = build.estimator(recipe.estimator, agent, world)

    def update() -> None:
        index = torch.randint(len(split), (batch,), generator=generator, device=device)
        scenes = plain(split, index, generator)
        loss = estimator(agent, world, scenes, generator)
        descent.zero_grad()
        loss.total.backward()
        norm = shortened(weights, recipe.training.max_grad_norm)
        descent.descend(tally.guard(loss.total, norm))
        tally.add(loss, norm, scenes, world)

    def look() -> None:
        with torch.no_grad():
            index = torch.randint(len(split), (batch,), generator=generator, device=device)
            rollout(agent, world, plain(split, index, generator), generator=generator)

    ways = {f"train {RECIPE}, batch {batch}, fp32, {product} product": (update, product)}
    if product != "default":
        ways[f"train {RECIPE}, batch {batch}, fp32, default product"] = (update, "default")
    ways[f"look only, {RECIPE}, batch {batch}, {product} product"] = (look, product)
    return compare(ways, batch, "images/s", device)


def glimpses(device: torch.device) -> list[Json]:
    """The retina's index form against grid_sample with area averaging, the usual way."""
    rows = []
    for canvas, size, scales, pieces in ((28, 8, 1, 0), (60, 12, 3, 4), (100, 12, 4, 8)):
        batch, looks = 512, 6
        generator = torch.Generator(device).manual_seed(0)
        images = torch.randint(256, (2_000, 1, 28, 28), generator=generator, device=device)
        split = Split(images.to(torch.uint8), torch.arange(2_000, device=device) % 10)
        index = torch.arange(batch, device=device)
        scenes = cluttered(split, index, generator, canvas=canvas, distractors=pieces)
        places = torch.rand(looks, batch, 2, generator=generator, device=device) * 2 - 1
        retina = Retina(size, scales)

        def index_form(
            retina: Retina = retina, scenes: Scenes = scenes, places: Tensor = places
        ) -> None:
            view = retina.open(scenes.image)
            for place in places:
                retina.look(view, place)

        def usual(
            size: int = size, scales: int = scales, scenes: Scenes = scenes, places: Tensor = places
        ) -> None:
            image = scenes.image.float() / 255
            for place in places:
                sampled_retina(image, place, size, scales)

        name = f"{canvas}x{canvas} -> {size}x{size}x{scales}, {looks} looks"
        ways: dict[str, tuple[Callable[[], None], str]] = {
            f"glimpses {name}, by index": (index_form, ""),
            f"glimpses {name}, grid_sample": (usual, ""),
        }
        rows += compare(ways, batch * looks, "glimpses/s", device)
    return rows


def sampled_retina(image: Tensor, place: Tensor, size: int, scales: int) -> Tensor:
    """(B, C, H, W), (B, 2) -> (B, scales * C, G, G) by bilinear samples, then averages."""
    height, width = image.shape[-2:]
    patches = []
    for s in range(scales):
        side = size * 2**s
        steps = torch.arange(side, device=image.device) - (side - 1) / 2
        x = place[:, :1] + steps * 2 / width
        y = place[:, 1:] + steps * 2 / height
        grid = torch.stack(
            [x[:, None].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], -1
        )
        patch = F.grid_sample(image, grid, align_corners=False)
        patches.append(F.avg_pool2d(patch, 2**s))
    return torch.cat(patches, 1)


def compare(
    ways: dict[str, tuple[Callable[[], None], str]], count: int, unit: str, device: torch.device
) -> list[Json]:
    """Rates of each way; `ratio` is how many times as fast as it the first one is."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, (way, product) in ways.items():
            if product:
                route: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
                route.fp32_precision = "bf16" if product == "onednn" else "none"
            best[name] = min(best[name], seconds(way, device))
    first = next(iter(best.values()))
    return [
        {
            "what": name,
            "rate": round(count / taken, 1),
            "unit": unit,
            "ratio": round(taken / first, 3),
        }
        for name, taken in best.items()
    ]


def seconds(way: Callable[[], None], device: torch.device, least: float = 0.4) -> float:
    """Seconds a call: CPU time of this process, or device time on a GPU, over `least` seconds."""
    way()
    calls, since, began = 0, time.process_time(), time.perf_counter()
    if device.type == "cuda":
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
    while calls < 3 or time.perf_counter() - began < least:
        way()
        calls += 1
    if device.type == "cuda":
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000 / calls
    return (time.process_time() - since) / calls
