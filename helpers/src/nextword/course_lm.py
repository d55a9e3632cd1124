"""The course's own pretrained models: a small GPT, its masked twin and its draft, for `transformers`.

They come with the package, so nothing is downloaded:

    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained(course_lm())
    tokenizer = AutoTokenizer.from_pretrained(course_lm())

The README.md in each folder is its datasheet: what it was trained on, what it can do, and what it can't.
"""

from __future__ import annotations

from pathlib import Path

_DATA = Path(__file__).parent / "data"


def course_lm() -> Path:
    """Return the folder of the small GPT, for AutoModelForCausalLM.from_pretrained.

    Raises FileNotFoundError where the package was installed without it.
    """
    return _folder("course-lm")


def course_lm_encoder() -> Path:
    """Return the folder of the masked twin ([CLS], [SEP], [MASK]), for AutoModel or AutoModelForMaskedLM.

    Raises FileNotFoundError where the package was installed without it.
    """
    return _folder("course-lm-encoder")


def course_lm_draft() -> Path:
    """Return the folder of a GPT a fifth of course-lm's size, with its tokenizer: it guesses ahead for it.

    Raises FileNotFoundError where the package was installed without it.
    """
    return _folder("course-lm-draft")


def _folder(name: str) -> Path:
    folder = _DATA / name
    if not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"The model {name} is not in this installation of nextword (looked in {folder}). "
            "Install nextword again; in the course's repository, `python -m recipes.course_lm --help` "
            "says how to make it."
        )
    return folder
