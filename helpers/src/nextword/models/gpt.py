"""A GPT of the course's interface: fused, with a key-value cache, kept in the format of `transformers`.

Pre-norm blocks as in GPT-2 (Radford et al. 2019), with learned positions, or with rotary ones as in GPT-NeoX
(Su et al. 2021; Black et al. 2022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nextword.models.interface import with_loss

POSITIONS = ("learned", "rotary")
ROTARY_BASE = (
    10_000.0  # the slowest pair of dimensions turns once in 2 pi times so many tokens (Su et al. 2021)
)
EPSILON = 1e-5  # in layer norms, as in GPT-2


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT; the defaults suit half a minute of training on one processor core.

    Raises ValueError for sizes that make no model.
    """

    vocab_size: int
    # The longest text that the model can look back on, in tokens: more than any sentence of the village.
    n_positions: int = 64
    # Depth costs more than width on short texts: each layer is a handful of small operations.
    n_layers: int = 2
    # 16 dimensions a head, enough to tell the village's words apart; large models have 64 to 128.
    n_heads: int = 4
    # C, a multiple of the heads. A wider model takes fewer steps within the half minute.
    embedding_dim: int = 64
    # Half a minute reads the village four times, which needs none: 0.1 learned less. Longer runs may need it.
    dropout: float = 0.0
    # "learned" is GPT-2's way, "rotary" that of most models since: no parameters, and distances, not places.
    positions: str = "learned"
    # The token that ends a text, and stands before one.
    end_id: int = 0

    def __post_init__(self) -> None:
        if self.positions not in POSITIONS:
            raise ValueError(f"There are no positions {self.positions!r}. Choose one of {POSITIONS}.")
        if self.embedding_dim % self.n_heads:
            raise ValueError(
                f"{self.embedding_dim} dimensions can't be shared by {self.n_heads} heads. "
                "Make embedding_dim a multiple of n_heads."
            )
        if self.positions == "rotary" and self.embedding_dim // self.n_heads % 2:
            raise ValueError(
                f"Rotary positions turn the dimensions of a head in pairs, and {self.embedding_dim} over "
                f"{self.n_heads} is odd. Make embedding_dim an even multiple of n_heads."
            )


@dataclass
class _Room:
    """A tensor (layers, 2, B, heads, capacity, head_dim) whose first `used` tokens are written."""

    tensor: Tensor
    used: int


@dataclass(frozen=True)
class Cache:
    """Keys and values of the tokens read so far: per layer a tensor (B, heads, tokens, head_dim)."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    # What they are views of, where it holds more tokens than these or can take them.
    room: _Room | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """The number of tokens read."""
        return self.keys[0].shape[2]

    def first(self, n: int) -> Cache:
        """Return the cache as it was after n tokens, to go back to there."""
        keys, values = (tuple(kept[:, :, :n] for kept in both) for both in (self.keys, self.values))
        return Cache(keys, values, self.room)

    def rows(self, rows: Tensor) -> Cache:
        """Return the cache of these rows of the batch, (B',) long, in this order."""
        return Cache(tuple(k[rows] for k in self.keys), tuple(v[rows] for v in self.values))

    @torch.no_grad()
    def _longer(self, n: int) -> Cache:
        """Return this cache with places for n more tokens at its end, which are yet to be written.

        To copy all keys and values for every new token would take longer than to compute it. So they are
        copied into a tensor with room for as many again, and the next tokens are written there, behind them;
        until it is full, or the places are taken because a text went on from here before.
        """
        old, new = len(self), len(self) + n
        room = self.room
        if (
            room is None
            or room.used != old
            or room.tensor.shape[-2] < new
            or room.tensor.is_inference() != torch.is_inference_mode_enabled()
        ):
            batch, heads, _, head_dim = self.keys[0].shape
            room = _Room(self.keys[0].new_empty(len(self.keys), 2, batch, heads, 2 * new, head_dim), old)
            for layer, kept in enumerate(zip(self.keys, self.values, strict=True)):
                for both, past in zip(room.tensor[layer], kept, strict=True):
                    both[:, :, :old] = past
        room.used = new
        keys, values = room.tensor[..., :new, :].unbind(1)
        return Cache(keys.unbind(), values.unbind(), room)


class GPT(nn.Module):
    """A decoder-only transformer whose output layer is its embedding.

    In a short run its embedding wants a higher learning rate than its layers: on the village,
    train(..., learning_rate=4e-3, embedding_rate=6), or Muon for the layers.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_dim
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.places = nn.Embedding(config.n_positions, width) if config.positions == "learned" else None
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.n_layers))
        self.last_norm = nn.LayerNorm(width, EPSILON)
        self._initialise()

    def _initialise(self) -> None:
        """Start as GPT-2 does: small normal weights, smaller where layers add up in the residual stream."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                into_stream = name.endswith(("mixed.weight", "shrink.weight"))
                nn.init.normal_(
                    parameter, std=0.02 / math.sqrt(2 * self.config.n_layers if into_stream else 1)
                )
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits (B, T, V) and the loss (nats per prediction) for idx and targets, (B, T) long.

        Raises ValueError when T is longer than the model's positions.
        """
        logits, _ = self.read(idx)
        return with_loss(logits, targets)

    def read(self, idx: Tensor, cache: Cache | None = None, first: int | None = None) -> tuple[Tensor, Cache]:
        """Read idx (B, T) long after what the cache holds; return its logits (B, T, V) and the longer cache.

        `first` is the position of the first of these tokens: the next one, unless told otherwise. The cache
        that is passed stays as it is. Raises ValueError when there are more tokens than positions.
        """
        start = first if first is not None else len(cache) if cache is not None else 0
        end = start + idx.shape[1]
        if end > self.config.n_positions:
            raise ValueError(
                f"The model has {self.config.n_positions} positions and can't read {end} tokens. "
                "Shorten the text, or make the model with a larger n_positions."
            )
        stream = self.embedding(idx)  # (B, T, C)
        at = torch.arange(start, end, device=idx.device)
        turns = None
        if self.places is not None:
            stream = stream + self.places(at)
        else:
            turns = _turns(at, self.config.embedding_dim // self.config.n_heads)
        stream = self.dropout(stream)
        longer = None if cache is None or self._asks_for_gradients(cache) else cache._longer(idx.shape[1])
        keys, values = [], []
        for i, layer in enumerate(self.layers):
            before = None if cache is None else (cache.keys[i], cache.values[i])
            room = None if longer is None else (longer.keys[i], longer.values[i])
            stream, k, v = layer(stream, turns, before, room)
            keys.append(k)
            values.append(v)
        logits = F.linear(self.last_norm(stream), self.embedding.weight)
        return logits, longer or Cache(tuple(keys), tuple(values))

    def _asks_for_gradients(self, cache: Cache) -> bool:
        tensors = itertools.chain(self.parameters(), cache.keys, cache.values)
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to a folder, for `transformers.AutoModelForCausalLM.from_pretrained(folder)`.

        The format is GPT-2's for learned positions and GPT-NeoX's for rotary ones. Raises ImportError without
        `transformers`.
        """
        form = _NEOX if self.config.positions == "rotary" else _GPT2
        transformers = _transformers()
        settings = form.settings(self.config)
        theirs = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(form.model_type, **settings)
        )
        weights = {theirs_name: form.to_theirs(self, name, p) for name, theirs_name, p in form.pairs(self)}
        missing = theirs.load_state_dict(weights, strict=False).missing_keys
        assert all(
            name in form.tied or "rotary_emb" in name or name.endswith("attn.bias") for name in missing
        )
        theirs.tie_weights()
        theirs.save_pretrained(str(folder))

    @classmethod
    def from_pretrained(cls, place: str | Path, *, dropout: float = 0.0) -> GPT:
        """Return the GPT that a folder, or the hub, holds in the format of GPT-2 or GPT-NeoX; in float32.

        Raises ValueError for a model of another kind, ImportError without `transformers`.
        """
        theirs = _transformers().AutoModelForCausalLM.from_pretrained(str(place)).float()
        forms = [form for form in (_GPT2, _NEOX) if form.model_type == theirs.config.model_type]
        if not forms:
            raise ValueError(
                f"{place} holds a model of the kind {theirs.config.model_type!r}. "
                "Pass one of the kind gpt2 or gpt_neox, or use AutoModelForCausalLM itself."
            )
        try:
            model = _converted(theirs, forms[0], dropout)
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{place} is a {theirs.config.model_type} that a GPT of nextword can't be ({error!s:.100}). "
                "Use AutoModelForCausalLM itself."
            ) from error
        return model


class _Layer(nn.Module):
    """One block: attention, then two linear layers, each on the normed stream and added to it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width, self.n_heads, self.dropout = config.embedding_dim, config.n_heads, config.dropout
        self.norm_before_attention = nn.LayerNorm(width, EPSILON)
        self.asked = nn.Linear(width, 3 * width)  # queries, keys and values in one product
        self.mixed = nn.Linear(width, width)
        self.norm_before_widening = nn.LayerNorm(width, EPSILON)
        self.widen = nn.Linear(width, 4 * width)
        self.shrink = nn.Linear(4 * width, width)

    def forward(
        self,
        stream: Tensor,
        turns: Tensor | None,
        before: tuple[Tensor, Tensor] | None,
        room: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the stream (B, T, C) after this layer, and keys and values (B, heads, tokens, head_dim).

        `before` are those of the tokens before these; `room` the same with T places more, if there is any.
        """
        asked = self.asked(self.norm_before_attention(stream))
        qkv = asked.unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, heads, T, head_dim)
        q, k, v = qkv
        if turns is not None:
            q, k = _turned(qkv[:2], turns)
        mask = None
        if before is not None:
            k, v = (_joined(*parts) for parts in zip(before, (k, v), room or (None, None), strict=True))
            past, new = before[0].shape[2], stream.shape[1]
            mask = (
                torch.ones(new, past + new, dtype=torch.bool, device=q.device).tril(past) if new > 1 else None
            )
        mixed = F.scaled_dot_product_attention(
            q, k, v, mask, self.dropout if self.training else 0.0, is_causal=before is None
        )
        stream = stream.add(self._dropped(self.mixed(mixed.transpose(1, 2).flatten(2))))
        wide = F.gelu(self.widen(self.norm_before_widening(stream)), approximate="tanh")  # (B, T, 4C)
        return stream.add(self._dropped(self.shrink(wide))), k, v

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def _joined(before: Tensor, new: Tensor, room: Tensor | None) -> Tensor:
    """Return keys or values (B, heads, tokens, head_dim), old and new; those of before stand in the room."""
    if room is None:
        return torch.cat([before, new], dim=2)
    room[:, :, before.shape[2] :] = new
    return room


def _turns(at: Tensor, head_dim: int) -> Tensor:
    """Return by which complex numbers the pairs of a head's dimensions are turned, (T, head_dim / 2)."""
    pairs = torch.arange(0, head_dim, 2, device=at.device, dtype=torch.float32)
    angles = at.float()[:, None] * ROTARY_BASE ** (-pairs / head_dim)
    return torch.polar(torch.ones_like(angles), angles)


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    """Return queries and keys (2, B, heads, T, head_dim) with their dimensions turned in pairs."""
    real, imaginary = x.float().chunk(2, dim=-1)
    turned = torch.complex(real.contiguous(), imaginary.contiguous()) * turns
    return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)


# The formats of `transformers`


@dataclass(frozen=True)
class _Format:
    """How a model of `transformers` names, lays out and sets what is in a GPT."""

    model_type: str
    names: Mapping[str, str]  # ours -> theirs; {} stands for the number of the layer
    tied: tuple[str, ...]
    transposed: tuple[str, ...]  # endings of our names whose matrices stand the other way round there
    by_head: tuple[str, ...]  # endings of our names whose rows go head by head there

    def pairs(self, model: GPT) -> list[tuple[str, str, Tensor]]:
        """Return for each parameter our name, theirs, and the parameter."""
        found: list[tuple[str, str, Tensor]] = []
        for name, parameter in model.named_parameters():
            parts = name.split(".")
            if parts[0] == "layers":
                theirs = self.names["layers.{}." + parts[2]].format(parts[1])
            else:
                theirs = self.names[parts[0]]
            found.append((name, f"{theirs}.{parts[-1]}", parameter))
        return found

    def to_theirs(self, model: GPT, name: str, parameter: Tensor) -> Tensor:
        changed = parameter.detach()
        if name.endswith(self.by_head):
            changed = changed.unflatten(0, (3, model.config.n_heads, -1)).transpose(0, 1).flatten(0, 2)
        return changed.T.contiguous() if name.endswith(self.transposed) else changed.contiguous()

    def from_theirs(self, model: GPT, name: str, parameter: Tensor) -> Tensor:
        changed = parameter.T if name.endswith(self.transposed) else parameter
        if name.endswith(self.by_head):
            changed = changed.unflatten(0, (model.config.n_heads, 3, -1)).transpose(0, 1).flatten(0, 2)
        return changed

    def settings(self, config: GPTConfig) -> dict[str, Any]:
        """Return the settings of a model of `transformers` with the sizes of ours."""
        shared = {
            "vocab_size": config.vocab_size,
            "bos_token_id": config.end_id,
            "eos_token_id": config.end_id,
            "tie_word_embeddings": True,
        }
        if self.model_type == "gpt2":
            return shared | {
                "n_positions": config.n_positions,
                "n_embd": config.embedding_dim,
                "n_layer": config.n_layers,
                "n_head": config.n_heads,
                "embd_pdrop": config.dropout,
                "attn_pdrop": config.dropout,
                "resid_pdrop": config.dropout,
            }
        return shared | {
            "max_position_embeddings": config.n_positions,
            "hidden_size": config.embedding_dim,
            "num_hidden_layers": config.n_layers,
            "num_attention_heads": config.n_heads,
            "intermediate_size": 4 * config.embedding_dim,
            "hidden_act": "gelu_new",
            "rotary_pct": 1.0,
            "rotary_emb_base": ROTARY_BASE,
            "use_parallel_residual": False,
            "attention_dropout": config.dropout,
            "hidden_dropout": config.dropout,
        }

    def config(self, theirs: Any, dropout: float) -> GPTConfig:
        """Return our sizes for a model of `transformers`."""
        return GPTConfig(
            theirs.vocab_size,
            theirs.max_position_embeddings,
            theirs.num_hidden_layers,
            theirs.num_attention_heads,
            theirs.hidden_size,
            dropout,
            "learned" if self.model_type == "gpt2" else "rotary",
            theirs.eos_token_id or 0,
        )


@torch.no_grad()
def _converted(theirs: nn.Module, form: _Format, dropout: float) -> GPT:
    """Return a model of `transformers` as a GPT; raises ValueError when the two don't say the same."""
    model = GPT(form.config(theirs.config, dropout)).eval()
    weights = theirs.state_dict()
    for name, theirs_name, parameter in form.pairs(model):
        parameter.copy_(form.from_theirs(model, name, weights[theirs_name]))
    probe = torch.arange(min(8, model.config.vocab_size, model.config.n_positions))[None]
    difference = float((model(probe)[0] - theirs.eval()(probe).logits).abs().max())
    if not difference < 1e-2:
        raise ValueError(f"its logits differ by {difference:.2g}")
    return model


_GPT2 = _Format(
    "gpt2",
    {
        "embedding": "transformer.wte",
        "places": "transformer.wpe",
        "last_norm": "transformer.ln_f",
        "layers.{}.norm_before_attention": "transformer.h.{}.ln_1",
        "layers.{}.asked": "transformer.h.{}.attn.c_attn",
        "layers.{}.mixed": "transformer.h.{}.attn.c_proj",
        "layers.{}.norm_before_widening": "transformer.h.{}.ln_2",
        "layers.{}.widen": "transformer.h.{}.mlp.c_fc",
        "layers.{}.shrink": "transformer.h.{}.mlp.c_proj",
    },
    tied=("lm_head.weight",),
    transposed=("asked.weight", "mixed.weight", "widen.weight", "shrink.weight"),
    by_head=(),
)
_NEOX = _Format(
    "gpt_neox",
    {
        "embedding": "gpt_neox.embed_in",
        "last_norm": "gpt_neox.final_layer_norm",
        "layers.{}.norm_before_attention": "gpt_neox.layers.{}.input_layernorm",
        "layers.{}.asked": "gpt_neox.layers.{}.attention.query_key_value",
        "layers.{}.mixed": "gpt_neox.layers.{}.attention.dense",
        "layers.{}.norm_before_widening": "gpt_neox.layers.{}.post_attention_layernorm",
        "layers.{}.widen": "gpt_neox.layers.{}.mlp.dense_h_to_4h",
        "layers.{}.shrink": "gpt_neox.layers.{}.mlp.dense_4h_to_h",
    },
    tied=("embed_out.weight", "lm_head.weight"),
    transposed=(),
    by_head=("asked.weight", "asked.bias"),
)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "Models are saved and loaded with transformers, which is not installed here: "
            "pip install transformers, then restart the notebook."
        ) from error
    return transformers
