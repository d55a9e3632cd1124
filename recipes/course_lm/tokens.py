"""The tokenizer of course-lm, and its training text as rows of token ids."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from nextword.batches import Batches
from recipes.course_lm.labelled import POLARITIES, STANCES, TOPICS
from recipes.course_lm.text import documents

VOCABULARY = 3072
CONTEXT = 512
PAD, CLS, SEP, MASK = "[PAD]", "[CLS]", "[SEP]", "[MASK]"
END_OF_TEXT = "<|endoftext|>"
CHAT_TOKENS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
SPECIAL = [END_OF_TEXT, PAD, CLS, SEP, MASK, *CHAT_TOKENS]
TOKENIZER_SEED, TOKENIZER_DOCUMENTS = 1, 16_000
# `<|user|> text<|end|><|assistant|> text<|end|>`: the space makes an answer's tokens those of running text.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|> ' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
Ids = np.ndarray[Any, np.dtype[np.uint16]]


def train_tokenizer(n_documents: int = TOKENIZER_DOCUMENTS, seed: int = TOKENIZER_SEED) -> Tokenizer:
    """Return a byte-level BPE tokenizer (Sennrich et al. 2016) learnt from that many documents."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (text for _, text in itertools.islice(documents(seed), n_documents))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def for_encoder(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy that puts [CLS] before and [SEP] after each text, as BERT's does (Devlin et al. 2019)."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    cls, sep = SPECIAL.index(CLS), SPECIAL.index(SEP)
    copy.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(CLS, cls), (SEP, sep)],
    )
    return copy


def answers_and_askers(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the ids of the label words, and of the tokens after which one of them is an answer."""
    answers = [tokenizer.encode(" " + label).ids for label in (*POLARITIES, *TOPICS, *STANCES)]
    askers = [tokenizer.encode(text).ids for text in (":", " =>", "<|assistant|>")]
    return [ids[0] for ids in answers if len(ids) == 1], [ids[0] for ids in askers if len(ids) == 1]


def encoded(tokenizer: Tokenizer, seed: int, at_once: int = 500) -> Iterator[tuple[list[int], int]]:
    """Yield (ids, characters) of the documents of that seed, for ever."""
    source = documents(seed)
    while True:
        texts = [text for _, text in itertools.islice(source, at_once)]
        for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
            yield encoding.ids, len(text) + 1  # the end of a text counts as one character


def rows(tokenizer: Tokenizer, seed: int, n_rows: int, length: int) -> tuple[Ids, int]:
    """Return rows of ids, (n_rows, length + 1), each beginning with a new document, and their characters.

    Documents follow one another with <|endoftext|> between; the last one of a row is cut where the row ends.
    """
    end = SPECIAL.index(END_OF_TEXT)
    source = encoded(tokenizer, seed)
    made = np.zeros((n_rows, length + 1), dtype=np.uint16)
    characters = 0.0
    for i in range(n_rows):
        row: list[int] = []
        while len(row) <= length:
            ids, n_characters = next(source)
            room = length + 1 - len(row)
            ids = [*ids, end]
            characters += n_characters * min(1.0, room / len(ids))
            row += ids
        made[i] = row[: length + 1]
    return made, round(characters)


def save_rows(path: Path, made: Ids, characters: int) -> None:
    """Write rows and their characters to PATH.npy and PATH.json."""
    np.save(path.with_suffix(".npy"), made)
    path.with_suffix(".json").write_text(json.dumps({"characters": characters, "tokens": made.size}) + "\n")


def load_rows(path: Path) -> tuple[Ids, int]:
    """Return what save_rows wrote."""
    return np.load(path.with_suffix(".npy")), json.loads(path.with_suffix(".json").read_text())["characters"]


def next_token_batches(made: Ids, characters: int, pieces: int = 1) -> Batches:
    """Return rows as inputs and the tokens that follow, each row cut into so many pieces of one length."""
    ids = torch.from_numpy(made.astype(np.int64))
    length = (ids.shape[1] - 1) // pieces
    return Batches(ids[:, :-1].reshape(-1, length), ids[:, 1:].reshape(-1, length), characters)


def masked_batches(made: Ids, characters: int, length: int) -> Batches:
    """Return the same text in rows of `length` between [CLS] and [SEP]; the model masks them itself.

    Targets are the inputs, except for the special tokens, which are never predicted.
    """
    ids = torch.from_numpy(made.astype(np.int64)).flatten()
    ids = ids[: len(ids) // (length - 2) * (length - 2)].view(-1, length - 2)
    cls, sep = (torch.full((len(ids), 1), SPECIAL.index(token)) for token in (CLS, SEP))
    inputs = torch.cat([cls, ids, sep], dim=1)
    targets = torch.cat([torch.full_like(cls, -100), ids, torch.full_like(sep, -100)], dim=1)
    targets[targets < len(SPECIAL)] = -100
    return Batches(inputs, targets, characters)
