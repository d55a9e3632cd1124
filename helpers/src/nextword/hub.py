"""Whether the Hugging Face hub can be asked, and data sets from it, with a sentence where it can't."""

from __future__ import annotations

import urllib.error
import urllib.request
from functools import cache
from typing import Any

PATIENCE = 5.0  # seconds for a server to answer before it counts as out of reach


@cache
def reachable(address: str) -> bool:
    """Whether a server answers at that address, tried once."""
    try:
        request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "nextword"})
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return True
    except urllib.error.HTTPError:  # an answer, if not a kind one
        return True
    except (OSError, ValueError):
        return False


def hub_is_reachable() -> bool:
    """Whether the hub answers, tried once; not where HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and reachable(constants.ENDPOINT)


def data_set(what: str, *name: str, split: str) -> Any:
    """Return one split of a data set on the hub; `what` begins the sentence of an error ("SST-2 is").

    Raises OSError where the hub is out of reach, ImportError without Hugging Face `datasets`.
    """
    if not hub_is_reachable():
        raise OSError(
            f"{what} on the hub, which is out of reach here; everything else works without it. "
            "With a network, run this cell again."
        )
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ImportError(f"{what} read by Hugging Face datasets. Run: pip install datasets.") from error
    return load_dataset(*name, split=split)
