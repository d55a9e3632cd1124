"""Real text comes from copies, caches and the net; without any of them the village stands in and says so."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub.constants
import pytest

from nextword import TextCorpus, corpora, corpus, metrics

SHARED = Path(__file__).parents[3] / "shared" / "data"
LINES = {
    "train": ["", " = Dogs = \n", "", " Dogs bark . \n"],
    "validation": [" Cats don't . \n"],
    "test": [" Birds sing . \n", ""],
}
STORIES = [f"  Once there was a {i}.\n\nIt was happy.\n" for i in range(20)]


@pytest.fixture(autouse=True)
def no_net_and_empty_caches(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(corpora, "reachable", lambda address: False)
    corpora._text.cache_clear()
    yield
    corpora._text.cache_clear()


def as_parquet(folder: Path, splits: dict[str, list[str]]) -> Path:
    folder.mkdir(parents=True)
    for split, rows in splits.items():
        half = len(rows) // 2
        parts = [part for part in (rows[:half], rows[half:]) if part]  # the hub cuts large splits too
        for i, part in enumerate(parts):
            file = folder / f"{split}-0000{i}-of-00002.parquet"
            datasets.Dataset.from_dict({"text": part}).to_parquet(str(file))
    return folder


def cached(tmp_path: Path, repository: str, folder: str, splits: dict[str, list[str]]) -> None:
    """Lay a data set down as the hub's client keeps it."""
    place = tmp_path / "hub" / f"datasets--{repository.replace('/', '--')}"
    as_parquet(place / "snapshots" / "0123abc" / folder, splits)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0123abc")


def is_wikitext(found: TextCorpus) -> bool:
    assert (found.train, found.valid, found.test) == (
        " = Dogs = \n Dogs bark . \n",
        " Cats don't . \n",
        " Birds sing . \n",
    )
    return found.name == "wikitext2"


@pytest.mark.parametrize("layout", ["parquet", "saved"])
def test_a_copy_in_the_hubs_own_formats(tmp_path, layout) -> None:
    folder = tmp_path / "copy"
    if layout == "saved":
        splits = {name: datasets.Dataset.from_dict({"text": rows}) for name, rows in LINES.items()}
        datasets.DatasetDict(splits).save_to_disk(str(folder))
    else:
        as_parquet(folder / "data", LINES)
    found = corpus("wikitext2", source=folder)
    assert is_wikitext(found)
    assert corpus("wikitext2", source=folder) is found
    assert "Merity et al. 2016" in str(found) and "CC BY-SA" in str(found) and str(folder) in str(found)
    assert f"{len(found.train)} characters to train on" in str(found)


def test_stories_are_cut_between_stories(tmp_path) -> None:
    found = corpus("tiny_stories", source=as_parquet(tmp_path / "copy", {"validation": STORIES}))
    assert found.test == "Once there was a 19.\n\nIt was happy.\n<|endoftext|>\n"
    assert found.train.count(corpora.DOCUMENT_END) == 18
    assert found.valid.startswith("Once there was a 18.")


def test_what_the_cache_holds_needs_no_network(tmp_path, capsys) -> None:
    cached(tmp_path, "Salesforce/wikitext", "wikitext-2-raw-v1", LINES)
    cached(tmp_path, "roneneldan/TinyStories", "data", {"validation": STORIES})
    assert is_wikitext(corpus("wikitext2"))
    assert corpus("tiny_stories").name == "tiny_stories"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["tiny_shakespeare", "tiny_stories", "wikitext2"])
def test_offline_the_village_stands_in_and_says_so(name, capsys) -> None:
    found = corpus(name)
    village = corpus("village")
    assert found.name == "village"
    assert found.train == metrics.text_of(village.train)
    assert found.test == metrics.text_of(village.test)
    said = capsys.readouterr().out
    assert f"sentences of the village, in place of {name}" in said
    assert "does not answer" in said
    assert "source=... with a copy" in said
    assert said.strip() == str(found)


def test_a_text_that_could_not_be_had_is_asked_for_again(tmp_path) -> None:
    assert corpus("wikitext2").name == "village"
    cached(tmp_path, "Salesforce/wikitext", "wikitext-2-raw-v1", LINES)
    assert is_wikitext(corpus("wikitext2"))


def test_other_sets_of_the_repository_are_not_read(tmp_path) -> None:
    cached(tmp_path, "Salesforce/wikitext", "wikitext-2-raw-v1", LINES)
    snapshot = tmp_path / "hub" / "datasets--Salesforce--wikitext" / "snapshots" / "0123abc"
    as_parquet(snapshot / "wikitext-103-raw-v1", {split: ["Too much.\n"] for split in LINES})
    assert is_wikitext(corpus("wikitext2"))
    assert is_wikitext(corpus("wikitext2", source=snapshot))
    shutil.rmtree(snapshot / "wikitext-2-raw-v1")
    corpora._text.cache_clear()
    assert corpus("wikitext2").name == "village"


TEXT = "To be, or not to be.\n" * 40


@pytest.fixture
def net(monkeypatch):
    """A server with one text, in the place of the net; `served` counts what was fetched."""
    served = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            served.append(self.path)
            self.do_HEAD()
            self.wfile.write(TEXT.encode())

        def log_message(self, *args) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(corpora, "reachable", REACHABLE)

    def point(sha256: str) -> list[str]:
        text = corpora._TEXTS["tiny_shakespeare"]
        place = f"http://127.0.0.1:{server.server_port}/input.txt"
        monkeypatch.setitem(corpora._TEXTS, "tiny_shakespeare", replace(text, place=place, sha256=sha256))
        return served

    yield point
    server.shutdown()
    server.server_close()


REACHABLE = corpora.reachable


def test_a_file_is_fetched_once_and_checked(net, tmp_path) -> None:
    served = net(hashlib.sha256(TEXT.encode()).hexdigest())
    found = corpus("tiny_shakespeare")
    assert found.name == "tiny_shakespeare"
    assert found.train + found.valid + found.test == TEXT
    assert len(found.train) == int(0.9 * len(TEXT))
    corpora._text.cache_clear()
    assert corpus("tiny_shakespeare") == found
    assert served == ["/input.txt"]


def test_other_bytes_than_those_expected_are_not_kept(net, tmp_path, capsys) -> None:
    net("0" * 64)
    assert corpus("tiny_shakespeare").name == "village"
    assert "invalid hash" in capsys.readouterr().out
    assert list((tmp_path / "cache" / "nextword").iterdir()) == []


def test_nobody_answers_at_a_place_that_is_not_there() -> None:
    assert not REACHABLE("http://127.0.0.1:9/nothing")


def test_refusals_name_the_remedy(tmp_path, monkeypatch) -> None:
    with pytest.raises(ValueError, match=r"no corpus 'town'\. Choose one of: tiny_shakespeare, .*village"):
        corpus("town")
    with pytest.raises(ValueError, match=r"read from a copy called 'village'\. Choose one of: tiny_shake"):
        corpus("village", source=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing at .*missing"):
        corpus("wikitext2", source=tmp_path / "missing")
    with pytest.raises(ValueError, match="no split 'train'"):
        corpus("wikitext2", source=as_parquet(tmp_path / "a", {"validation": STORIES}))
    (tmp_path / "b.txt").write_text("short")
    with pytest.raises(ValueError, match="too short to be cut in three"):
        corpus("tiny_shakespeare", source=tmp_path / "b.txt")
    other = tmp_path / "c"
    other.mkdir()
    datasets.Dataset.from_dict({"label": [1]}).to_parquet(str(other / "validation.parquet"))
    with pytest.raises(ValueError, match="no column 'text'"):
        corpus("tiny_stories", source=other)
    monkeypatch.setattr(corpora.importlib, "import_module", lambda name: __import__("no_such_library"))
    with pytest.raises(ImportError, match=r"needs huggingface_hub.*pip install"):
        corpus("wikitext2")


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of real texts is not beside this checkout")
def test_the_real_files() -> None:
    path = SHARED / "tinyshakespeare" / "input.txt"
    text = corpora._TEXTS["tiny_shakespeare"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == text.sha256
    found = corpus("tiny_shakespeare", source=path)
    # the sizes of karpathy/tiny_shakespeare on the hub
    assert (len(found.train), len(found.valid), len(found.test)) == (1_003_854, 55_770, 55_770)
    assert found.train.startswith("First Citizen:")
    wikipedia = corpus("wikitext2", source=SHARED / "wikitext-2-raw" / "wiki.test.raw")
    assert "Robert" in wikipedia.train
