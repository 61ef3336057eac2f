"""What a class is worth as the last answer is what the task says, for every answer and truth."""

import pytest
import torch

from hardattn.envs.actions import Act
from hardattn.envs.rewards import MOST_CLASSES, Rewards
from hardattn.sensors import Retina
from hardattn.tasks import Classify, Cluster, Localise, Sequence, Task
from hardattn.world import World


def judge(task: Task, count: int, answer: str = "class") -> Rewards:
    return Rewards(World(Retina(4), task, 4), count, answer, 0.0, torch.device("cpu"))


@pytest.mark.parametrize(
    "task",
    [Classify(7, bonus=1.0), Classify(7, bonus=-0.3), Classify(2), Localise(9, bonus=0.7)],
    ids=lambda task: f"{type(task).__name__} {task.classes} {task.bonus}",
)
def test_the_table_is_the_task(task: Classify) -> None:
    classes = task.classes
    truth = torch.arange(classes).repeat(classes + 2)
    # One below and one above: they stand for the nearest class.
    answer = torch.arange(-1, classes + 1).repeat_interleave(classes)
    act = Act(torch.zeros(len(truth), 2), None, answer, None)
    one, ended = judge(task, len(truth)), torch.arange(len(truth)) % 3 > 0
    assert one.worth is not None and len(one.worth) == classes**2
    for final in (True, ended):
        last = ended.float() if final is not True else torch.ones(len(truth))
        wanted = task.reward(act.likelihood(task)[None], truth, last[None], 4)[0]
        reward, loss = one(None, truth, act, 3, final)
        assert loss is None and torch.equal(reward, wanted)


def test_what_hangs_on_more_has_none() -> None:
    assert judge(Classify(7, each=True, bonus=1.0), 2).worth is None
    assert judge(Sequence(11), 2).worth is None
    assert judge(Cluster(5), 2).worth is None
    assert judge(Classify(7), 2, "logits").worth is None
    assert judge(Classify(MOST_CLASSES + 1, bonus=1.0), 2).worth is None
