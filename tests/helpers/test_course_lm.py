"""The course's own language model: what is shipped loads offline and keeps what its datasheet promises."""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from nextword.course_lm import course_lm, course_lm_draft, course_lm_encoder
from nextword.labelled import labelled_texts

pytest.importorskip("transformers")
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from recipes.course_lm import evaluate, questions, tokens

FOLDERS = [course_lm(), course_lm_encoder(), course_lm_draft()]
RESULTS = json.loads((course_lm() / "results.json").read_text())
LABELS = [" positive", " negative", " politics", " economy", " sport", " science", " culture", " favour",
          " against", " none", " great", " terrible", " yes", " no"]  # fmt: skip


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def model() -> evaluate.Measured:
    return evaluate.Measured(course_lm())


# what is shipped


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_takes_at_most_12_megabytes(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 12e6


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_weights_are_stored_in_half_precision_and_read_in_single(folder: Path) -> None:
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}
    auto = AutoModelForMaskedLM if folder == course_lm_encoder() else AutoModelForCausalLM
    assert next(auto.from_pretrained(folder).parameters()).dtype == torch.float32


@pytest.mark.parametrize("auto", [AutoModelForCausalLM, AutoModelForMaskedLM, AutoModel])
def test_no_weight_is_missing_or_left_over(auto: type) -> None:
    folder = course_lm() if auto is AutoModelForCausalLM else course_lm_encoder()
    _, told = auto.from_pretrained(folder, output_loading_info=True)
    missing = {name for name in told["missing_keys"] if "pooler" not in name}  # the datasheet says so
    assert not missing
    assert auto is AutoModel or not told["unexpected_keys"]


def test_weights_are_finite_and_the_head_is_tied() -> None:
    loaded = AutoModelForCausalLM.from_pretrained(course_lm())
    assert all(torch.isfinite(p).all() for p in loaded.parameters())
    assert loaded.lm_head.weight.data_ptr() == loaded.transformer.wte.weight.data_ptr()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_datasheet_has_the_numbers_of_the_run(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    run = json.loads((folder / "run.json").read_text())
    assert f"{run['steps']:,} steps" in text
    assert f"{run['processor_seconds']:,} seconds of processor time" in text
    assert "{" not in text.replace("{text}", "").replace("{target}", "").replace("{instruction}", "")


# tokenizer


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize(
    "text",
    ["The soup was cold.", " two  spaces\n\nand lines\t", "naïve Zürich 🙂 中文", "x=3; y={}", "N'T don't"],
)
def test_any_text_comes_back_from_its_tokens(folder: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    assert max(ids) < len(tokenizer) == tokens.VOCABULARY


def test_label_words_are_single_tokens() -> None:
    tokenizer = AutoTokenizer.from_pretrained(course_lm())
    assert {label: tokenizer.tokenize(label) for label in LABELS if len(tokenizer.tokenize(label)) != 1} == {}


def test_the_chat_template_is_the_format_of_the_training_text() -> None:
    tokenizer = AutoTokenizer.from_pretrained(course_lm())
    turns = [("system", "You are brief."), ("user", "Name a colour."), ("assistant", "red")]
    messages = [{"role": role, "content": text} for role, text in turns]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered == questions.chat(*turns)
    prompt = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert rendered.startswith(prompt) and prompt.endswith("<|assistant|>")
    ids = tokenizer.encode(rendered, add_special_tokens=False)
    assert ids[-2:] == [*tokenizer.encode(" red"), tokenizer.convert_tokens_to_ids("<|end|>")]


def test_the_encoders_tokenizer_frames_texts_and_pairs() -> None:
    tokenizer = AutoTokenizer.from_pretrained(course_lm_encoder())
    row = tokenizer("One.", "Two.")
    read = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert read[0] == "[CLS]" and read[-1] == "[SEP]" and read.count("[SEP]") == 2
    assert tokenizer.mask_token == "[MASK]" and tokenizer.pad_token == "[PAD]"


# what it can do


def test_bits_per_character_on_new_text_are_as_the_table_says(model: evaluate.Measured) -> None:
    told = {(row["model"], row["task"]): row["value"] for row in RESULTS if row["unit"] != "accuracy"}
    for row in evaluate.text_rows(model, 8):
        assert row.value < 1.35 * told["course-lm", row.task], row.task


def test_the_draft_is_a_fifth_of_the_model_and_nearly_as_good() -> None:
    large, small = (AutoModelForCausalLM.from_pretrained(f) for f in (course_lm(), course_lm_draft()))
    assert sum(p.numel() for p in small.parameters()) < 0.2 * sum(p.numel() for p in large.parameters())
    assert (course_lm_draft() / "model.safetensors").stat().st_size <= 1e6
    bits = {row["model"]: row["value"] for row in RESULTS if row["task"] == "reviews with sentiment"}
    assert bits["course-lm"] < bits["draft"] < 2 * bits["course-lm"]


def test_the_draft_speaks_in_the_models_tokens() -> None:
    mine, theirs = ((folder / "tokenizer.json").read_bytes() for folder in (course_lm_draft(), course_lm()))
    assert mine == theirs


def test_the_table_is_what_the_datasheet_shows() -> None:
    sheet = (course_lm() / "README.md").read_text(encoding="utf-8")
    for row in RESULTS:
        if row["model"] == "course-lm":
            assert str(evaluate.Row(**row)) in sheet
    draft = (course_lm_draft() / "README.md").read_text(encoding="utf-8")
    rows = [evaluate.Row(**row) for row in RESULTS if row["model"] == "draft"]
    assert rows and all(str(row) in draft for row in rows)


def test_a_row_of_the_table_is_reproduced(model: evaluate.Measured) -> None:
    settings = evaluate.SETS["headlines"]
    test = evaluate.read_set("headlines", "test")
    scores = model.last_logits([evaluate.ask(settings.form, e) for e in test])[0]
    gold = torch.tensor([settings.labels.index(e.label) for e in test])
    measured = evaluate.right(scores[:, model.label_ids(settings.labels)], gold)
    told = next(r for r in RESULTS if r["task"] == "headlines" and r["setting"] == "0 shots")
    assert measured == pytest.approx(told["value"], abs=0.03)  # a tie may fall otherwise on another machine


def test_padding_changes_no_prediction(model: evaluate.Measured) -> None:
    prompts = [
        "Review: Lovely.\nSentiment:",
        "Headline: Striker scores twice as champions win the cup\nTopic:",
    ]
    together, _ = model.last_logits(prompts)
    apart = torch.cat([model.last_logits([prompt])[0] for prompt in prompts])
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=1e-3)


# the measure itself


def test_a_loss_is_counted_per_character_with_the_end() -> None:
    class Uniform:
        """A model that finds all tokens alike."""

        tokenizer = AutoTokenizer.from_pretrained(course_lm())

        def ids(self, text: str) -> list[int]:
            return self.tokenizer.encode(text, add_special_tokens=False)

        def model(self, idx: torch.Tensor) -> object:
            logits = torch.zeros(*idx.shape, tokens.VOCABULARY)
            return type("Out", (), {"logits": logits})

    text = "The dog barks."
    n = len(Uniform().ids(text)) + 1
    expected = n * math.log2(tokens.VOCABULARY) / (len(text) + 1)
    assert evaluate.bits_per_character(Uniform(), [text]) == pytest.approx(expected)


def test_wilsons_interval() -> None:
    assert evaluate.wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert evaluate.wilson(0.0, 10)[0] == pytest.approx(0) and evaluate.wilson(1.0, 10)[1] == pytest.approx(1)


def test_a_linear_probe_finds_a_direction() -> None:
    torch.manual_seed(0)
    points = torch.randn(200, 5)
    labels = (points[:, 2] > 0).long()
    assert evaluate.right(evaluate.linear_probe(points[:150], labels[:150], points[150:]), labels[150:]) > 0.9


# the text that it was trained on


def test_the_shipped_model_comes_from_the_text_that_the_recipe_draws() -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(course_lm() / "tokenizer.json"))
    made, _ = tokens.rows(tokenizer, 2, 100, tokens.CONTEXT)
    buffer = io.BytesIO()
    np.save(buffer, made)
    told = json.loads((course_lm() / "run.json").read_text())["valid_sha256"]
    assert hashlib.sha256(buffer.getvalue()).hexdigest() == told


def test_no_labelled_text_stands_in_the_rules() -> None:
    rules = (Path(tokens.__file__).parent / "words").glob("*.txt")
    written = " ".join(" ".join(path.read_text(encoding="utf-8").split()) for path in rules)
    for name in evaluate.SETS:
        assert not [text.text for text in labelled_texts(name) if text.text in written]


def test_a_missing_model_is_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("nextword.course_lm._DATA", tmp_path)
    with pytest.raises(FileNotFoundError, match="Install nextword again"):
        course_lm()
