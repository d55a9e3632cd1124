"""Text to train and test on, by name: sentences made here, and real text from the net."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

from nextword.hub import reachable
from nextword.metrics import text_of
from nextword.village import Village

Sentences = list[list[str]]

TRAIN, HELD_OUT = 15_000, 1_000  # sentences of `village`: seconds to count, minutes to train on, on a laptop
TRAIN_SEED, VALID_SEED, TEST_SEED = 1, 2, 3

DOCUMENT_END = "<|endoftext|>\n"  # the line between two documents, as GPT-2 was trained with
PARTS = (0.9, 0.95)  # where a text that comes in one piece is cut into train, valid and test


@dataclass(frozen=True)
class Corpus:
    """Sentences, as lists of words without boundary symbols, in three parts; and where they come from."""

    name: str
    train: Sentences
    valid: Sentences  # to choose settings on
    test: Sentences  # to report on, once
    source: Village | None  # the exact source, for a text that has one
    note: str  # origin, size and licence

    def __str__(self) -> str:
        return f"Corpus {self.name}: {self.note}"


@dataclass(frozen=True)
class TextCorpus:
    """Running text, in three parts, and where it comes from.

    Real text is not a list of sentences: a tokenizer decides what its pieces are, and a model reads it as one
    stream (`nextword.batches.token_batches`). Where `name` is "village", it stands in for a text that could
    not be had.
    """

    name: str
    train: str
    valid: str  # to choose settings on
    test: str  # to report on, once
    note: str  # origin, size and licence

    def __str__(self) -> str:
        return f"Corpus {self.name}: {self.note}"


@overload
def corpus(name: Literal["village"], *, source: None = None) -> Corpus: ...  # type: ignore[overload-overlap]
@overload
def corpus(name: str, *, source: str | Path | None = None) -> TextCorpus: ...


def corpus(name: str, *, source: str | Path | None = None) -> Corpus | TextCorpus:
    """Return the corpus of that name, read once: don't change its lists.

    "village" is a `Corpus` of 15,000 + 1,000 + 1,000 sentences of the village's new era, made offline. The
    others are `TextCorpus`: "tiny_shakespeare" (1.1 million characters), "tiny_stories" (19 million) and
    "wikitext2" (13 million). They are fetched once, with a progress bar, and kept in the usual caches.
    Without a network and a copy in the cache, the text of the village stands in, and a sentence says so.

    `source` is a copy on this machine to read instead: a text file, a folder that `datasets` has saved, or
    one with the hub's parquet files. Raises ValueError for an unknown name, or a source that has no text in
    it, FileNotFoundError where there is no such file, ImportError where `datasets` is needed and missing.
    """
    if name == "village" and source is None:
        return _village()
    if name not in _TEXTS:
        known = sorted([*_TEXTS] if source is not None else ["village", *_TEXTS])
        what = "corpus" if source is None else "corpus to be read from a copy called"
        raise ValueError(f"There is no {what} {name!r}. Choose one of: {', '.join(known)}.")
    if source is not None:
        return _text(name, str(source))
    try:
        return _text(name, None)
    except OSError as error:
        village = _village()
        parts = (text_of(village.train), text_of(village.valid), text_of(village.test))
        note = (
            f"{_sizes(parts)}: sentences of the village, in place of {name}, which could not be fetched "
            f"({_in_short(error)}). To have it, connect to the internet and run this cell again, or pass "
            "source=... with a copy."
        )
        print(f"Corpus village: {note}")
        return TextCorpus("village", *parts, note=note)


@cache
def _village() -> Corpus:
    source = Village()
    note = (
        f"{TRAIN:,} sentences to train on and twice {HELD_OUT:,} held out, spoken by the village, "
        "whose probabilities are known. Made on this machine from fixed seeds, free for any use."
    )
    return Corpus(
        "village",
        source.sample(TRAIN, TRAIN_SEED),
        source.sample(HELD_OUT, VALID_SEED),
        source.sample(HELD_OUT, TEST_SEED),
        source,
        note,
    )


# Real text


@dataclass(frozen=True)
class _Text:
    """A text on the net: where it is, how its rows become three parts, and what is to be known about it."""

    place: str  # a data set of the hub, or an address
    files: str  # those of its files that are needed
    join: Callable[[dict[str, Sequence[str]]], tuple[str, str, str]]  # rows of each split -> the three parts
    origin: str
    sha256: str = ""  # of a single file


@cache  # what was read; an error is none
def _text(name: str, source: str | None) -> TextCorpus:
    text = _TEXTS[name]
    if source is not None:
        parts = _read(Path(source).expanduser(), text)
        return TextCorpus(name, *parts, note=f"{_sizes(parts)}. {text.origin} Read from {source}.")
    parts = _read(_fetched(text), text)
    return TextCorpus(name, *parts, note=f"{_sizes(parts)}. {text.origin}")


def _sizes(parts: tuple[str, str, str]) -> str:
    train, valid, test = map(len, parts)
    return f"{train:,} characters to train on, {valid:,} and {test:,} held out"


def _in_short(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:120]


def _read(path: Path, text: _Text) -> tuple[str, str, str]:
    """Return the parts of a copy on this machine; raises what `corpus` says."""
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}. Pass a text file, or a folder of a data set.")
    if path.is_file():
        parts = _cut(path.read_text(encoding="utf-8"))
    else:
        datasets = _library("datasets")
        if (path / "dataset_dict.json").exists():
            splits = datasets.load_from_disk(str(path))
        else:
            files = _parquet(path, text.files)
            splits = {split: datasets.Dataset.from_parquet(paths) for split, paths in files.items()}
        if not all("text" in rows.column_names for rows in splits.values()):
            raise ValueError(f"The rows at {path} have no column 'text'. Pass a data set of text.")
        try:
            parts = text.join({split: rows["text"] for split, rows in splits.items()})
        except KeyError as error:
            raise ValueError(
                f"The data set at {path} has no split {error}. Pass a copy of {text.place}, with its splits."
            ) from error
    if not all(parts):
        raise ValueError(f"The text at {path} is too short to be cut in three. Pass a longer one.")
    return parts


def _parquet(path: Path, files: str) -> dict[str, list[str]]:
    """Return a data set's parquet files below a folder by split, which is how the hub begins their names.

    Those that lie as on the hub, if there are any: beside them may be other sets of the same repository.
    """
    found: dict[str, list[str]] = {}
    for file in sorted(path.glob(files)) or sorted(path.rglob("*.parquet")):
        found.setdefault(file.name.split("-")[0].removesuffix(".parquet"), []).append(str(file))
    return found


def _cut(text: str) -> tuple[str, str, str]:
    """Return a text in three parts, cut where karpathy/tiny_shakespeare was."""
    first, second = (int(len(text) * part) for part in PARTS)
    return text[:first], text[first:second], text[second:]


def _cut_documents(splits: dict[str, Sequence[str]]) -> tuple[str, str, str]:
    """Return the documents of the split "validation" in three parts, `DOCUMENT_END` after each."""
    documents = [f"{text.strip()}\n{DOCUMENT_END}" for text in splits["validation"]]
    first, second = (int(len(documents) * part) for part in PARTS)
    return "".join(documents[:first]), "".join(documents[first:second]), "".join(documents[second:])


def _join_lines(splits: dict[str, Sequence[str]]) -> tuple[str, str, str]:
    return "".join(splits["train"]), "".join(splits["validation"]), "".join(splits["test"])


def _fetched(text: _Text) -> Path:
    """Return where the text is on this machine, fetched if need be; raises OSError where it can't be had."""
    if "://" in text.place:
        return _fetched_file(text)
    hub, constants = _library("huggingface_hub"), _library("huggingface_hub.constants")
    online = not constants.HF_HUB_OFFLINE and reachable(constants.ENDPOINT)
    # Without a network the hub's client would try for most of a minute.
    options = {"repo_type": "dataset", "allow_patterns": text.files, "local_files_only": not online}
    try:
        folder = Path(hub.snapshot_download(text.place, **options))
        missing = "" if any(folder.glob(text.files)) else f"{text.place} has no {text.files}"
    except Exception as error:  # the client has changed its kinds of error more than once
        missing = _in_short(error)
    if missing:
        host = constants.ENDPOINT.removeprefix("https://")
        raise ConnectionError(
            missing if online else f"{host} does not answer, and there is no copy in the cache"
        )
    return folder


def _fetched_file(text: _Text) -> Path:
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nextword"
    path = cache_folder / text.files
    if not path.exists():
        if not reachable(text.place):
            raise ConnectionError(f"{text.place.split('/')[2]} does not answer")
        from torch import hub

        cache_folder.mkdir(parents=True, exist_ok=True)
        try:
            hub.download_url_to_file(text.place, str(path), hash_prefix=text.sha256)
        except RuntimeError as error:  # not the bytes that were asked for
            raise ConnectionError(_in_short(error)) from error
    return path


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Text from the hub needs {name.partition('.')[0]}, which is not installed here: "
            "pip install datasets huggingface_hub, then restart the notebook."
        ) from error


_TEXTS: dict[str, _Text] = {
    "tiny_shakespeare": _Text(
        # One commit of the repository in which it was first published.
        "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
        "/data/tinyshakespeare/input.txt",
        "tiny_shakespeare.txt",
        _join_lines,
        "Lines from Shakespeare's plays, chosen for char-rnn (Karpathy 2015). In the public domain.",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "tiny_stories": _Text(
        "roneneldan/TinyStories",
        "data/validation-*.parquet",
        _cut_documents,
        "Stories in the words of small children, written by GPT-3.5 and GPT-4 (Eldan and Li 2023): the "
        "validation part of the data set, since its training part is a hundred times larger. "
        "Licence CDLA-Sharing-1.0.",
    ),
    "wikitext2": _Text(
        "Salesforce/wikitext",
        "wikitext-2-raw-v1/*.parquet",
        _join_lines,
        "Good and featured articles of the English Wikipedia (Merity et al. 2016). "
        "Licence CC BY-SA 3.0 and GFDL.",
    ),
}
