"""What a search may change: drawn by Optuna, and told."""

from typing import Any

from hardattn.experiments.options.space import Range, rounded, told


class Drawn:
    """A trial that notes what it is asked."""

    def suggest_float(self, name: str, low: float, high: float, log: bool) -> float:
        assert (name, low, high, log) == ("lr", 1e-3, 1e-1, True)
        return 0.012345

    def suggest_categorical(self, name: str, among: list[Any]) -> Any:
        assert name == "core"
        return among[1]


def test_numbers_are_drawn_by_their_logarithm_and_words_from_a_list() -> None:
    assert Range("lr", 1e-3, 1e-1).draw(Drawn()) == 0.0123
    assert Range("core", among=("gru", "lstm")).draw(Drawn()) == "lstm"
    assert rounded(123456.0) == 123000.0


def test_a_space_is_told() -> None:
    space = (Range("lr", 1e-3, 1e-1), Range("core", among=("gru", "lstm")))
    assert told(space) == "lr from 0.001 to 0.1; core among gru, lstm"
