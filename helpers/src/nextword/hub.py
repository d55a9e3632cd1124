"""Whether the Hugging Face hub can be asked, and data sets from it, with a sentence where it can't."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from typing import Any

PATIENCE = 5.0  # seconds for a server to answer before it counts as out of reach


FORGET = 5.0  # seconds after which a server that did not answer is asked again
_answered: set[str] = set()
_silent: dict[str, float] = {}  # since when, by time.monotonic()


def reachable(address: str) -> bool:
    """Whether a server answers at that address; one that has answered is not asked again."""
    if address in _answered:
        return True
    if time.monotonic() - _silent.get(address, -FORGET) < FORGET:
        return False
    try:
        request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "nextword"})
        with urllib.request.urlopen(request, timeout=PATIENCE):
            pass
    except urllib.error.HTTPError:  # an answer, if not a kind one
        pass
    except (OSError, ValueError, http.client.HTTPException):
        _silent[address] = time.monotonic()
        return False
    _answered.add(address)
    return True


def hub_is_reachable() -> bool:
    """Whether the hub answers; not where HF_HUB_OFFLINE is set, or huggingface_hub not installed."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return False
    return not constants.HF_HUB_OFFLINE and reachable(constants.ENDPOINT)


def data_set(what: str, *name: str, split: str) -> Any:
    """Return one split of a data set on the hub; `what` begins the sentence of an error ("SST-2 is").

    Raises OSError where the hub is out of reach, ImportError without Hugging Face `datasets`.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ImportError(f"{what} read by Hugging Face datasets. Run: pip install datasets.") from error
    if not hub_is_reachable():
        raise OSError(
            f"{what} on the hub, which is out of reach here; everything else works without it. "
            "With a network, run this cell again."
        )
    return load_dataset(*name, split=split)
