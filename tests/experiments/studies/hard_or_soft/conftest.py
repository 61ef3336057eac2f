import pytest

from hardattn.experiments.studies.hard_or_soft import measure, plan
from tests.support.few_cells import PATH, Pool, few


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    found = Pool()
    monkeypatch.setattr(measure, "sweep", found)
    monkeypatch.setattr(measure, "path_of", lambda alive: PATH)
    monkeypatch.setattr(measure, "RunLoader", lambda run: lambda folder, result: None)
    monkeypatch.setattr(plan, "made", lambda protocol, root: few())
    return found
