"""What was asked and answered is drawn, or said, for the truth and for every agent."""

import re
from html import escape
from pathlib import Path

import pytest

from hardattn import storage
from hardattn.report.asked import error_words
from hardattn.report.page.context import Context
from hardattn.report.page.page import page
from hardattn.report.page.sections import answers, confusion, failures, player
from hardattn.report.rows import Table
from hardattn.report.runs import read
from tests.support.asked import OPTIONS, write_asked
from tests.support.runs import write_run
from tests.support.tables import only


def context(table: Table) -> Context:
    return Context(table, 0, {})


def text(html: str) -> str:
    """Without tags and pictures."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("scene", sorted(OPTIONS))
def test_truth_and_answer_stand_below_each_other(scene: str, tmp_path: Path) -> None:
    write_asked(tmp_path, scene)
    table = only(tmp_path)
    html = answers.section(context(table))
    shown = answers.STRIPS if answers.KINDS[scene].wide else answers.MOST
    cues = 2 if scene == "query" else 1
    assert html.count("<img") == 2 * shown * cues
    assert html.index("the truth") < html.index(escape(table.rows[0].title))
    assert answers.KINDS[scene].words in html
    # Failures are shown in the same way, and every kind of scene makes a whole page.
    found = failures.gallery(table)
    assert "<img" in found and ("strips" in found) == answers.KINDS[scene].wide
    whole = page(read([tmp_path]))
    assert 'id="answers-0"' in whole
    words = error_words(table.rows[0].group.first.recipe)
    assert f"<small>{words}</small>" in whole and f"% {words}</h1>" in whole


def test_an_answer_that_is_a_word_has_no_section(tmp_path: Path) -> None:
    write_run(tmp_path, "ram", 0, 0.1)
    assert answers.section(context(only(tmp_path))) == ""


def test_a_mask_says_how_many_places_are_wrong_and_what_colours_mean(tmp_path: Path) -> None:
    write_asked(tmp_path, "masks", right=True)
    html = answers.section(context(only(tmp_path)))
    assert html.count("0 of 100 places wrong") == 2 * answers.MOST  # said, and in words of pictures
    legend = html[html.index("legend-of-classes") :]
    assert legend.count('class="class"') == 10
    assert "answers are drawn below" in player.section(context(only(tmp_path)))


def test_key_points_say_how_far_off_they_are(tmp_path: Path) -> None:
    write_asked(tmp_path, "keypoints", right=True)
    assert "0.0 pixels off in the mean" in answers.section(context(only(tmp_path)))


def test_each_word_of_a_sentence_has_its_mark(tmp_path: Path) -> None:
    write_asked(tmp_path / "wrong", "captions")
    write_asked(tmp_path / "right", "captions", right=True)
    wrong, right = (answers.section(context(only(tmp_path / one))) for one in ("wrong", "right"))
    assert '<b class="right">see</b>' in right and 'class="wrong"' not in right
    # It says "0" for each of seven words, whatever is there: none is cut off as an end.
    assert '✗</b> <b class="wrong">0</b>' in wrong and "“0 0 0 0 0 0 0”" in wrong
    said = failures.gallery(only(tmp_path / "wrong"))
    assert "the truth: see" in text(said)
    film = player.section(context(only(tmp_path / "right")))
    assert "dashed frames are what the sentence names" in film and "\\u201csee " in film


def test_a_query_shows_its_example_and_frames_the_answer(tmp_path: Path) -> None:
    write_asked(tmp_path, "query", right=True)
    html = answers.section(context(only(tmp_path)))
    assert html.count("looked for</span>") == 2 * answers.MOST and "✗" not in html


def test_a_run_without_its_cues_is_shown_without_them(tmp_path: Path) -> None:
    for scene in ("query", "matching"):
        folder = write_asked(tmp_path / scene, scene)
        kept = storage.read(folder / "examples.pt")
        for part in (kept, kept["failures"]):
            part.pop("cue")
        storage.write(folder / "examples.pt", kept)
        html = answers.section(context(only(tmp_path / scene)))
        assert "looked for</span>" not in html and "<img" in html
        assert ("candidate 0" in html) == (scene == "matching")


def test_the_sentence_meant_and_the_one_answered_are_read(tmp_path: Path) -> None:
    write_asked(tmp_path, "matching")
    table = only(tmp_path)
    html = answers.section(context(table))
    said = re.findall(r"see (?:small|large) \d (?:left of|above) (?:small|large) \d", text(html))
    assert len(said) >= answers.MOST and "<u>" in html
    # Numbers of candidates mean nothing, of which none is taken for another.
    assert confusion.section(context(table)) == ""


def test_of_many_pictures_the_one_that_was_answered_is_framed(tmp_path: Path) -> None:
    write_asked(tmp_path, "matching", right=True, back=True)
    html = answers.section(context(only(tmp_path)))
    assert "candidate" in text(html) and "✗" not in html and "see " in text(html)


@pytest.mark.parametrize(("asked", "words"), [("order", "came first:"), ("direction", "moves")])
def test_a_clip_says_what_was_asked_and_how_many_frames_were_seen(
    asked: str, words: str, tmp_path: Path
) -> None:
    write_asked(tmp_path, "clips", asked=asked, canvas=14)
    html = text(answers.section(context(only(tmp_path))))
    assert words in html and "looked at 4 of 4 frames" in html
