"""Any causal language model in the format of `transformers`, asked in one way.

A folder or a name on the hub goes in; out comes an object that turns text into ids, ids into logits, and a
conversation into the text that the model was trained to continue. What differs between models (tokens that a
text begins with, chat templates, a missing pad token, room) is dealt with here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nextword.hub import hub_is_reachable

if TYPE_CHECKING:
    from os import PathLike

WORTH_SHARING = 32  # tokens: a shorter common beginning is cheaper to read again than to keep


class CausalLM:
    """A pretrained model with its tokenizer, in evaluation mode, without gradients.

    name        what it was loaded from, without the folders above
    revision    the commit on the hub, or a digest of the weights' file for a folder
    parameters  how many numbers were trained
    context     how many tokens it can read; None where the model says nothing about it
    chat_space  what stands between the end of a chat prompt and the answer: " " or ""
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, revision: str = "unknown") -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.name, self.revision = name, revision
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.context: int | None = getattr(model.config, "max_position_embeddings", None)
        self.chat_space = self._chat_space()

    def __repr__(self) -> str:
        room = "" if self.context is None else f", room for {self.context:,} tokens"
        return f"{self.name} ({self.parameters:,} parameters{room})"

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text that may go on: with the token that begins texts, if any, and no end."""
        bos, eos = self.tokenizer.bos_token, self.tokenizer.eos_token_id
        begun = bool(bos) and text.startswith(bos)  # a chat template writes it into the text
        ids: list[int] = list(self.tokenizer.encode(text, add_special_tokens=not begun))
        if ids and ids[-1] == eos and not text.endswith(str(self.tokenizer.eos_token)):
            ids = ids[:-1]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    @torch.no_grad()
    def logits(self, idx: Tensor) -> Tensor:
        """Return the logits of the token after each place, (B, T, V) float32, for ids (B, T).

        Rows that are alike are read once, and so is a beginning that all rows share. Padding goes on the
        right: no place sees what comes after it. Raises ValueError for rows longer than the model's context.
        """
        if self.context is not None and idx.shape[1] > self.context:
            raise ValueError(
                f"A prompt of {idx.shape[1]} tokens does not fit into the {self.context} that "
                f"{self.name} can read. Show fewer or shorter examples."
            )
        rows, back = torch.unique(idx, dim=0, return_inverse=True)
        logits = self._read(rows.to(self.model.device)).float().cpu()
        return logits if len(rows) == len(idx) and bool((rows == idx).all()) else logits[back.cpu()]

    def chat(self, *turns: tuple[str, str]) -> str:
        """Return the text that ends where the assistant's answer begins, for turns such as ("user", "Hello").

        Roles are "system", "user" and "assistant". Where the model has no chat template, the turns stand one
        below the other; where its template has no system role, the user says both.
        """
        messages = [{"role": role, "content": content} for role, content in turns]
        if not self.tokenizer.chat_template:
            return "\n\n".join(message["content"] for message in messages)
        try:
            return self._render(messages, True)
        except Exception as error:
            if [m["role"] for m in messages[:2]] != ["system", "user"]:
                raise ValueError(f"The chat template of {self.name} refuses these turns: {error}") from error
            both = f"{messages[0]['content']}\n\n{messages[1]['content']}"
            return self._render([{"role": "user", "content": both}, *messages[2:]], True)

    @torch.no_grad()
    def answer(self, prompt: str, most: int = 12) -> str:
        """Return what the model writes after a prompt: `most` tokens at most, always the likeliest."""
        ids = torch.tensor([self.encode(prompt)], device=self.model.device)
        if self.context is not None and ids.shape[1] + most > self.context:
            raise ValueError(f"The prompt leaves no room for {most} tokens. Shorten it.")
        pad = self.tokenizer.pad_token_id
        written = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=pad if pad is not None else self.tokenizer.eos_token_id or 0,
        )
        return self.decode(written[0, ids.shape[1] :].tolist()).strip()

    def _render(self, messages: Sequence[Mapping[str, str]], generate: bool) -> str:
        # models that can think aloud are told not to; other templates ignore the setting
        return str(
            self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=generate, enable_thinking=False
            )
        )

    def _chat_space(self) -> str:
        """Return " " where the template puts a space before the assistant's words, "" where it doesn't."""
        if not self.tokenizer.chat_template:
            return " "
        question = [{"role": "user", "content": "Q"}]
        prompt = self._render(question, True)
        whole = self._render([*question, {"role": "assistant", "content": "answer"}], False)
        rest = whole[len(prompt) :] if whole.startswith(prompt) else ""
        return " " if rest.startswith(" ") else ""

    def _read(self, rows: Tensor) -> Tensor:
        mask = torch.ones_like(rows)
        same = int((rows == rows[:1]).all(0).long().cumprod(0).sum()) if len(rows) > 1 else 0
        shared = min(same, rows.shape[1] - 1)
        if shared >= WORTH_SHARING:
            start = self.model(rows[:1, :shared], attention_mask=mask[:1, :shared], use_cache=True)
            kept = start.past_key_values
            if hasattr(kept, "batch_repeat_interleave"):
                kept.batch_repeat_interleave(len(rows))
                rest = self.model(rows[:, shared:], attention_mask=mask, past_key_values=kept, use_cache=True)
                beginning = start.logits.expand(len(rows), -1, -1)
                return torch.cat([beginning, rest.logits], dim=1)
        found: Tensor = self.model(rows, attention_mask=mask, use_cache=False).logits
        return found


def load_causal_lm(name: str | PathLike[str]) -> CausalLM:
    """Return a causal language model from a folder, or from the hub by its name (owner/model).

    A GPU is used where there is one. Raises OSError where there is neither such a folder, nor a copy of the
    model on this machine, nor a network to fetch it; ImportError without `transformers`.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise ImportError(
            "load_causal_lm() needs Hugging Face transformers. Run: pip install transformers tokenizers."
        ) from error

    from nextword.presets import preset

    here = Path(name).is_dir()
    chosen = preset()
    only_local = here or not hub_is_reachable()
    bar = logging.is_progress_bar_enabled()
    if here:
        logging.disable_progress_bar()  # nothing to wait for
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=only_local)
        model = AutoModelForCausalLM.from_pretrained(
            name,
            local_files_only=only_local,
            dtype=torch.float16 if chosen.device == "cuda" and not here else torch.float32,
        )
    except (OSError, ValueError) as error:
        if not only_local or here:
            raise OSError(f"{name} can't be loaded: {error}") from error
        raise OSError(
            f"{name} is not on this machine, and the hub is out of reach. Everything else works without it; "
            "with a network, run this cell again."
        ) from None
    finally:
        if here and bar:
            logging.enable_progress_bar()
    revision = _digest(Path(name)) if here else str(getattr(model.config, "_commit_hash", None) or "unknown")
    moved: Any = model
    moved.to(chosen.device)
    return CausalLM(moved, tokenizer, Path(name).name if here else str(name), revision)


def _digest(folder: Path) -> str:
    import hashlib

    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.bin"))
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.read_bytes())
    return f"sha256 {sha.hexdigest()[:12]}" if files else "unknown"
