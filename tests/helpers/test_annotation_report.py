"""The report page: all that a reader needs is on it, nothing in it is markup that a text smuggled in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from nextword.annotation_report import Annotation, annotation_page

NASTY = '<script>alert("x")</script> & <b>"bold"</b>'
REPORT = Annotation(
    title="Stances",
    question="How many are for it?",
    codebook={"favour": "takes the side", "against": "takes the other"},
    model="course-lm (2 parameters)",
    version="sha256 0123",
    prompt="Post: {text}\nStance:",
    settings="labels compared by probability",
    date="2027-04-19",
    human_coding="216 posts, coded twice, kappa 0.97",
    n_validated=216,
    unanswered=0.125,
    validation={"accuracy": (0.5, 0.4312, 0.57), "kappa": (0.25, 0.15, 0.35)},
    accepted=False,
    counts={"favour": 1200, "against": 300},
    cost="3 seconds",
    limits=["invented texts", "one model"],
    baselines={"bag of words": 0.6},
)


def words(page: str) -> str:
    return " ".join(BeautifulSoup(page, "html.parser").get_text(" ").split())


def test_the_page_says_all_that_a_reader_needs() -> None:
    said = words(annotation_page(REPORT))
    for part in ["course-lm (2 parameters)", "sha256 0123", "Post: {text} Stance:", "2027-04-19", "0.97",
                 "216 texts; 12% without a usable answer, counted as mistakes", "accuracy 0.50 0.43 to 0.57",
                 "kappa 0.25 0.15 to 0.35", "favour 1,200 80%", "against 300 20%", "Full run: 1,500 texts",
                 "3 seconds", "invented texts", "one model", "bag of words 0.60", "the other"]:  # fmt: skip
        assert part in said, part


def test_the_verdict_is_that_of_the_validation() -> None:
    assert "must not be used as measurements" in words(annotation_page(REPORT))
    accepted = words(annotation_page(replace(REPORT, accepted=True)))
    assert "must not be used" not in accepted and "met the requirements" in accepted


def test_text_from_outside_never_becomes_markup() -> None:
    nasty = replace(
        REPORT, title=NASTY, question=NASTY, codebook={NASTY: NASTY}, model=NASTY, version=NASTY,
        prompt=NASTY, settings=NASTY, date=NASTY, human_coding=NASTY, validation={NASTY: (0.5, 0.4, 0.6)},
        counts={NASTY: 1}, cost=NASTY, limits=[NASTY], baselines={NASTY: 0.1},
    )  # fmt: skip
    page = annotation_page(nasty)
    assert "<script" not in page and "<b>" not in page
    soup = BeautifulSoup(page, "html.parser")
    assert soup.h1 is not None and soup.h1.get_text() == NASTY
    assert page.count("&lt;script&gt;") >= 15


@pytest.mark.parametrize("part", ["codebook", "model", "version", "prompt", "date", "validation", "limits"])
def test_a_report_without_what_a_reader_needs_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match=f"lacks {part}"):
        annotation_page(replace(REPORT, **{part: type(getattr(REPORT, part))()}))


def test_an_empty_run_has_no_shares() -> None:
    assert "Full run: 0 texts" in words(
        annotation_page(replace(REPORT, counts={"favour": 0}, baselines=None))
    )
