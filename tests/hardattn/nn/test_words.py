"""What was said is a part of the state, and may be put right wherever it stands in it."""

import pytest
import torch

from hardattn.nn.words import Said, Words, heard


def test_a_word_is_said_at_the_last_of_its_looks() -> None:
    words = Words(3, 5, each=2, looks=6)
    said = words.start(torch.zeros(2, 4))
    assert said.word.tolist() == [3, 3] and words(said).shape == (2, 5)
    logits = torch.tensor([[0.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    for look, wanted in enumerate([[3, 3], [1, 0], [1, 0]]):
        said = words.after(said, logits, torch.full((2,), look / 6))
        assert said.word.tolist() == wanted
        logits = logits if look == 0 else logits.flip(1)
    with pytest.raises(ValueError, match="6 looks are no whole number of words of 4 looks"):
        Words(3, 5, each=4, looks=6)


def test_what_was_said_is_put_right_in_nested_states() -> None:
    said, other = Said(torch.tensor([1, 2])), torch.tensor([7.0, 8.0])
    state = ((other, said), other)
    told = heard(state, torch.tensor([5, 6]), torch.tensor([True, False]))
    assert told[0][1].word.tolist() == [5, 2] and told[0][0] is told[1] is other
    assert isinstance(told[0][1], Said) and said.word.tolist() == [1, 2]
