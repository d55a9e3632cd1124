"""The ladder records honest numbers, keeps them when asked, and draws them over the floor."""

from __future__ import annotations

import json
import math

import pytest

from nextword import corpus, ladder, metrics, plots


@pytest.fixture(autouse=True)
def empty_ladder(monkeypatch, tmp_path):
    monkeypatch.setenv("NEXTWORD_PRESET", "cpu")
    monkeypatch.chdir(tmp_path)
    ladder.clear()
    yield
    ladder.clear()


def test_record_and_read() -> None:
    rung = ladder.record("Bigram", nats=100 * math.log(2), characters=50, notebook="01")
    assert rung.bits == pytest.approx(2.0)
    assert (rung.notebook, rung.preset) == ("01", "cpu")
    ladder.record("Uniform", nats=500, characters=50, notebook="00", preset="grade")
    ladder.record("Broken", nats=math.inf, characters=50, notebook="01")
    assert [r.model for r in ladder.rungs()] == ["Broken", "Uniform", "Bigram"]
    ladder.record("Uniform", nats=1, characters=50, notebook="00")
    assert [r.model for r in ladder.rungs()] == ["Broken", "Bigram", "Uniform"]
    ladder.clear()
    assert ladder.rungs() == []


@pytest.mark.parametrize("nats", [math.nan, -1.0, -math.inf])
def test_impossible_nats(nats) -> None:
    with pytest.raises(ValueError, match="can't be a negative log-likelihood"):
        ladder.record("Bigram", nats=nats, characters=50, notebook="01")
    assert ladder.rungs() == []


@pytest.mark.parametrize("characters", [0, -5])
def test_impossible_text(characters) -> None:
    with pytest.raises(ValueError, match="can't be scored"):
        ladder.record("Bigram", nats=1, characters=characters, notebook="01")


def test_nothing_is_written_unless_asked(tmp_path) -> None:
    ladder.record("Bigram", nats=1, characters=5, notebook="01")
    assert list(tmp_path.iterdir()) == []


def test_save_and_load(tmp_path) -> None:
    kept = [
        ladder.record("Bigram", nats=0.1 + 0.2, characters=5, notebook="01"),
        ladder.record("Broken", nats=math.inf, characters=5, notebook="01"),
    ]
    path = ladder.save()
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (tmp_path / "ladder.json").exists()
    ladder.clear()
    newer = ladder.record("Bigram", nats=9, characters=5, notebook="01")
    assert ladder.load() == [kept[1], newer]


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '[{"model": "x"}]', '[{"model": "x", "nats": "nan"}]', "3"]
)
def test_a_file_that_is_no_ladder(tmp_path, content) -> None:
    path = tmp_path / "ladder.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"holds no ladder .* Remove it"):
        ladder.load(path)


def test_records_also_go_to_the_file_that_is_asked_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(ladder.VARIABLE, str(tmp_path / "rungs.json"))
    rung = ladder.record("LSTM", nats=2, characters=5, notebook="04", seconds=12.5)
    assert ladder.read(tmp_path / "rungs.json") == [rung] and rung.seconds == 12.5


def test_rungs_of_earlier_notebooks_stand_behind_ones_own(tmp_path, monkeypatch) -> None:
    characters = metrics.n_characters(corpus("village").test)

    def rung(model: str, bits: float, notebook: str) -> ladder.Rung:
        return ladder.Rung(model, bits * math.log(2) * characters, characters, notebook, "cpu")

    published = [rung("Unigram", 1.65, "01"), rung("LSTM", 0.7, "04"), rung("Bigram", 1.1, "01")]
    monkeypatch.setattr(ladder, "PUBLISHED", ladder.write(published, tmp_path / "published.json"))
    ladder._published.cache_clear()
    try:
        assert [r.model for r in ladder.before("03")] == ["Unigram", "Bigram"]
        own = 0.9 * math.log(2) * characters
        ladder.record("Feed-forward", nats=own, characters=characters, notebook="03")
        figure = ladder.chart()
        assert "Unigram 1.65, Bigram 1.10, Feed-forward 0.90" in plots.alt_text(figure)
        colours = [patch.get_facecolor() for patch in figure.axes[0].patches[:3]]
        assert colours[0] == colours[1] != colours[2]
    finally:
        ladder._published.cache_clear()


def test_the_package_carries_rungs_that_stand_on_village() -> None:
    characters = metrics.n_characters(corpus("village").test)
    rungs = ladder.read(ladder.PUBLISHED)
    assert {"Uniform", "Kneser-Ney, n = 4"} <= {r.model for r in rungs}
    assert all(r.characters == characters and r.preset == "cpu" for r in rungs)


def test_no_file_and_no_permission(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no ladder at"):
        ladder.load()
    with pytest.raises(OSError, match="can't be written"):
        ladder.save(tmp_path / "no such folder" / "ladder.json")


def test_chart_has_the_floor_and_all_rungs() -> None:
    village = corpus("village")
    characters = metrics.n_characters(village.test)
    floor = village.source.bits_per_character_floor(village.test)
    assert "only the floor is known" in plots.alt_text(ladder.chart())
    ladder.record("Uniform", nats=2 * math.log(2) * characters, characters=characters, notebook="00")
    ladder.record("Best", nats=(floor + 0.1) * math.log(2) * characters, characters=characters, notebook="01")
    said = plots.alt_text(ladder.chart())
    assert said.startswith("Best pays 0.10 bits per character more than the floor.")
    assert "Uniform 2.00" in said
    assert f"{floor:.2f}" in said
    assert plots.alt_text(ladder.chart(title="T", alt="A")) == "A"


def test_below_the_floor_something_is_wrong() -> None:
    characters = metrics.n_characters(corpus("village").test)
    ladder.record("Cheat", nats=0.4 * math.log(2) * characters, characters=characters, notebook="01")
    assert plots.alt_text(ladder.chart()).startswith("Cheat is below the floor, where no model can be")


def test_rungs_stand_on_one_text() -> None:
    ladder.record("Elsewhere", nats=100, characters=123, notebook="01")
    with pytest.raises(ValueError, match="Elsewhere was measured on 123 characters"):
        ladder.chart()
