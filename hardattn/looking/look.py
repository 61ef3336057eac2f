"""An agent that was trained looks at one picture, whatever it is of: what is drawn of that.

`look_at` fits the picture to what the agent was trained for, lets it look, and keeps all that
`hardattn.viz.looks` draws: where it looked, what it saw there, what it believed after each look,
every map it made by name, and beside these Grad-CAM and occlusion.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hardattn.data.fit import FITS, SAID, fitted
from hardattn.data.images import by
from hardattn.data.own import array_of
from hardattn.distributions import Delta
from hardattn.evaluation.evaluate import Columns, columns, episodes
from hardattn.looking.paper import ink
from hardattn.looking.saliency import grad_cam, occlusion
from hardattn.maps import Map
from hardattn.rollout import Decision, Draw, Trajectory, greedy
from hardattn.scenes import Scenes
from hardattn.sensors import Grid, Whole
from hardattn.tasks import Classify, Cluster, Sequence as SequenceTask
from hardattn.world import Observation, World

LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue, in ITU-R BT.601


class Subject(NamedTuple):
    """Who looks: an agent, with what it was trained for."""

    agent: Any
    world: World
    image: tuple[int, int, int]  # (C, H, W) of its scenes
    answers: tuple[str, ...] = ()  # by number; those that have no name are called by it
    name: str = "agent"
    title: str = ""
    draw: Draw = greedy

    def says(self, answer: int) -> str:
        """What an answer is called."""
        if answer < 0:
            return "no number"
        if isinstance(self.world.task, Cluster):
            return f"cluster {answer}"  # which class that is no picture alone can tell
        return self.answers[answer] if answer < len(self.answers) else str(answer)


class Drawn(NamedTuple):
    """A map as it can be drawn."""

    name: str
    density: Tensor  # (h, w); of gates of channels, (1, C), what is no place
    about: str = ""  # what it is, in a few words
    places: bool = True  # whether (h, w) lies over the picture


class Looked(NamedTuple):
    """What an agent did with one picture."""

    subject: Subject
    picture: str  # what it is called, and what was done to make it fit
    scenes: Scenes  # one: what was looked at; its target is nobody's
    columns: Columns  # of one row
    glimpses: Tensor  # (T, ...) as the sensor gave them
    places: Tensor  # (T, P)
    masks: Tensor  # (T, h, w), of looks over cells; else (0, 0, 0)
    maps: tuple[Drawn, ...]

    @property
    def looks(self) -> int:
        """How many were taken."""
        return int(self.columns.looks[0])

    @property
    def belief(self) -> Tensor:
        """(T, K): the probability of each answer after each look that was taken."""
        return self.columns.log_probability[0, : self.looks].exp()

    def best(self, count: int = 3) -> list[tuple[str, float]]:
        """The most probable answers at the end, and their probabilities."""
        top = self.belief[-1].nan_to_num(0.0).topk(min(count, self.belief.shape[1]))
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return [(self.subject.says(answer), value) for answer, value in pairs]


class AtOnce(nn.Module):
    """Any classifier, (B, C, H, W) images in [0, 1] -> (B, K) logits, behind the contract of
    agents.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        logits = self.net(seen.glimpse)
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)


def subject_of(
    agent: Any,
    world: World | None = None,
    image: Sequence[int] | None = None,
    answers: Sequence[str] = (),
    name: str = "",
) -> Subject:
    """A Subject as it is; else one of an agent, or a classifier, of images of (C, H, W).

    world: what it looks through, and how often; None where one look shows everything. Raises
    ValueError.
    """
    if isinstance(agent, Subject):
        return agent
    if image is None or len(image) != 3:
        raise ValueError("for which images was it made? give image=(channels, height, width)")
    shape = (int(image[0]), int(image[1]), int(image[2]))
    called = name or type(agent).__name__
    if not hasattr(agent, "step"):
        agent = AtOnce(agent)
    if world is None:
        classes = len(answers) or 2  # of a task that nobody asks here
        world = World(Whole(), Classify(classes), looks=1, first="centre")
    return Subject(agent, world, shape, tuple(answers), called)


def look_at(
    subject: Subject,
    image: Any,
    *,
    fit: str = "letterbox",
    paper: bool = False,
    seed: int = 0,
    saliency: bool = True,
) -> Looked:
    """Let it look at a picture: a path, a Pillow image, or an array of uint8 or of [0, 1].

    fit: how it is made to fit, a row of `hardattn.data.fit.FITS`. paper: it is of ink on paper, to
    be shown as digits are here, white on black (`hardattn.looking.paper.ink`). seed: of the first
    look, if that is drawn. saliency: make Grad-CAM and occlusion as well. Raises ValueError.
    """
    world = subject.world
    _refuse(subject)
    scenes, said = scene_of(subject.image, image, fit, paper)
    device = next((each.device for each in _weights(subject.agent)), torch.device("cpu"))
    scenes = scenes.to(device)
    first = world.first(scenes, torch.Generator().manual_seed(seed))
    ((path, maps, found),) = episodes(
        subject.agent,
        world,
        scenes,
        lambda part, path, maps: (path, list(maps), columns(path, world, part, maps)),
        subject.draw,
        seed,
        first=first,
    )
    drawn = [*_named(maps)]
    if saliency:
        answer = int(found.log_probability[0, -1].nan_to_num(float("-inf")).argmax())
        drawn += _hung_on(subject, scenes, answer, first)
    places = world.path(path.location)[:, 0]
    views = world.open(scenes.repeat(len(places)))
    with torch.no_grad():
        glimpses = world.sensor.look(views, places)
    return Looked(
        subject,
        said,
        scenes.to("cpu"),
        found,
        glimpses.cpu(),
        places.cpu(),
        _masks(world, path),
        tuple(drawn),
    )


def scene_of(
    shape: tuple[int, int, int], image: Any, fit: str = "letterbox", paper: bool = False
) -> tuple[Scenes, str]:
    """One scene of (C, H, W) of a picture, and what was done to it in words. Raises ValueError."""
    if fit not in FITS:
        raise ValueError(f"no fit {fit!r}: choose one of {', '.join(FITS)}")
    array, name = array_of(image)
    channels, size = shape[0], (shape[1], shape[2])
    said = [name or "a picture", f"{by(array.shape[1::-1])} pixels"]
    if channels not in (1, 3):
        raise ValueError(
            f"it was trained on images of {channels} channels, and a picture has 1 or 3"
        )
    if array.ndim == 3 and (paper or channels == 1):
        array = (array @ LUMINANCE).round().astype(np.uint8)
        said += [] if paper else ["in grey"]
    if paper:
        array = ink(array)
        said.append("ink of it in white")
    if channels == 3 and array.ndim == 2:
        array = array[..., None].repeat(3, -1)
    if array.shape[:2] != size:
        said.append(f"{SAID[fit]} to {by(size[::-1])}")
        array, _ = fitted(array, size, fit)
    made = torch.from_numpy(np.array(array)).view(1, *size, channels).movedim(3, 1).contiguous()
    nothing = torch.zeros(1, dtype=torch.int64)
    return Scenes(made, nothing, torch.full((1, 1, 4), torch.nan), nothing), ", ".join(said)


def _refuse(subject: Subject) -> None:
    """Raise ValueError for those that nobody can show a picture."""
    if subject.world.changes:
        raise ValueError(f"{subject.name} plays a game, which is no picture to look at")
    if subject.world.cues or subject.world.context_name == "cue":
        raise ValueError(
            f"{subject.name} is told what to find or to compare, which no picture says by itself"
        )
    if isinstance(subject.world.task, SequenceTask):
        raise ValueError(
            f"{subject.name} answers with sequences, of which no picture is drawn here"
        )
    if subject.world.task.choices != subject.world.task.classes:
        raise ValueError(
            f"{subject.name} answers several questions at once, of which no picture is drawn here"
        )


def _weights(agent: Any) -> Any:
    return agent.parameters() if isinstance(agent, nn.Module) else ()


def _masks(world: World, path: Trajectory) -> Tensor:
    """(T, h, w), the weights of the cells at each look; (0, 0, 0) of a sensor that has none."""
    if not isinstance(world.sensor, Grid):
        return torch.empty(0, 0, 0)
    return world.sensor.density(world.path(path.location)[:, 0]).cpu()


def _named(maps: Sequence[Map]) -> list[Drawn]:
    """The maps by name; of those that are made at each look their mean."""
    by_name: dict[str, list[Map]] = {}
    for one in maps:
        by_name.setdefault(one.name, []).append(one)
    drawn = []
    for name, several in by_name.items():
        one = several[-1]
        about = one.kind if len(several) == 1 else f"{one.kind}, mean of {len(several)} looks"
        if one.kind == "gradient":
            about = "class activation"
        called = name.removesuffix(".map") or "map"
        if one.at is not None:
            whole = torch.stack(
                [each.density[0].float() for each in several if each.density is not None]
            )
            drawn.append(Drawn(called, whole.mean(0).cpu(), about))
        elif one.kind in ("channel gate", "branch"):
            gate = torch.stack([each.tensor[0].float() for each in several]).mean(0).cpu()
            drawn.append(Drawn(called, gate.reshape(-1, gate.shape[-1]), about, places=False))
    return drawn


def _hung_on(subject: Subject, scenes: Scenes, answer: int, first: Tensor) -> list[Drawn]:
    """Grad-CAM, where there is a feature map, and occlusion."""
    world, found, said = subject.world, [], subject.says(answer)
    cam = grad_cam(subject.agent, world, scenes, answer, subject.draw)
    if cam is not None:
        found.append(Drawn("Grad-CAM", cam.density.cpu(), f"of {said!r}, at {cam.layer}"))
    covered = occlusion(subject.agent, world, scenes, answer, subject.draw, first)
    found.append(Drawn("occlusion", covered.cpu(), f"of {said!r}"))
    return found
