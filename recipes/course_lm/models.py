"""The models, small ones from `transformers`, behind the course's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForMaskedLM,
)

from nextword.batches import IGNORED
from recipes.course_lm.tokens import CONTEXT, SPECIAL, VOCABULARY

WIDTH, LAYERS, HEADS = 192, 4, 6
DRAFT_WIDTH, DRAFT_LAYERS = 96, 1  # a model that guesses ahead must be cheap above all
FIRST_POSITION = 2  # RoBERTa counts positions from the padding's id, 1, upwards
END_ID, PAD_ID, CLS_ID, SEP_ID, MASK_ID = range(5)  # the places in tokens.SPECIAL
MASKED = 0.2  # of the tokens of the encoder's text; BERT took 0.15, but short runs learn more from more
MUON_RATE, ADAM_RATE = 0.02, 3e-3
WEIGHT_DECAY = 0.01


def decoder_config(width: int = WIDTH, layers: int = LAYERS) -> GPT2Config:
    """Return the settings of course-lm."""
    return GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=width,
        n_layer=layers,
        n_head=HEADS if width == WIDTH else 2,
        activation_function="gelu_pytorch_tanh",  # GPT-2's GELU in its fused form
        resid_pdrop=0.0,  # a stream of new text can't be learnt by heart
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
    )


def encoder_config(width: int = WIDTH, layers: int = LAYERS) -> RobertaPreLayerNormConfig:
    """Return the settings of the encoder twin: BERT with its norms where GPT-2 has them."""
    return RobertaPreLayerNormConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT + FIRST_POSITION,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=HEADS if width == WIDTH else 2,
        intermediate_size=4 * width,
        hidden_act="gelu_pytorch_tanh",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-5,
        type_vocab_size=2,
        bos_token_id=CLS_ID,
        eos_token_id=SEP_ID,
        pad_token_id=PAD_ID,
    )


class Decoder(nn.Module):
    """GPT-2 as forward(idx, targets) -> (logits, loss)."""

    answers: Tensor
    askers: Tensor

    def __init__(self, model: GPT2LMHeadModel) -> None:
        super().__init__()
        self.model = model
        self.answer_weight = 1.0
        for name in ("answers", "askers"):  # (V,): a label, or followed by one
            self.register_buffer(
                name, torch.zeros(model.config.vocab_size, dtype=torch.bool), persistent=False
            )

    def know_answers(self, answers: Sequence[int], askers: Sequence[int]) -> None:
        """Say which tokens are answers where they follow which others: they count `answer_weight` times."""
        self.answers[list(answers)] = True
        self.askers[list(askers)] = True

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits (B, T, V), and the mean loss in nats over the targets that are not -100."""
        logits = self.model(idx, use_cache=False).logits
        if targets is None:
            return logits, None
        if not self.training or self.answer_weight == 1.0:
            return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        nats = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        is_answer = (self.answers[targets] & self.askers[idx]).flatten()
        weights = 1 + (self.answer_weight - 1) * is_answer
        weighted = (weights * nats).sum() / weights.sum()
        # the gradient of the weighted mean; the value stays nats per token, to be compared with others
        return logits, nats.mean().detach() + weighted - weighted.detach()


class Encoder(nn.Module):
    """An encoder that masks its inputs and predicts what was there, 80/10/10 as in Devlin et al. (2019)."""

    def __init__(self, model: RobertaPreLayerNormForMaskedLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits (N, V) of the masked places and their loss; without targets, all, unmasked."""
        if targets is None:
            return self.model(idx).logits, None
        generator = None if self.training else torch.Generator().manual_seed(0)
        chosen = (torch.rand(idx.shape, generator=generator) < MASKED) & (targets != IGNORED)
        how = torch.rand(idx.shape, generator=generator)
        other = torch.randint(len(SPECIAL), VOCABULARY, idx.shape, generator=generator)
        seen = torch.where(chosen & (how < 0.8), MASK_ID, idx)
        seen = torch.where(chosen & (how >= 0.9), other, seen)
        hidden = self.model.base_model(seen).last_hidden_state  # (B, T, C)
        logits = self.model.lm_head(hidden[chosen])  # (N, V): the head is the costly part
        return logits, F.cross_entropy(logits, targets[chosen])


def optimizers(model: nn.Module) -> list[Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices inside the layers, and AdamW for the rest."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = ".h." in name or ".layer." in name
        (matrices if inside and parameter.ndim == 2 else rest).append(parameter)
    return [
        torch.optim.Muon(
            matrices, lr=MUON_RATE, weight_decay=WEIGHT_DECAY, momentum=0.95, adjust_lr_fn="original"
        ),
        torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def new_decoder(seed: int = 0, width: int = WIDTH, layers: int = LAYERS) -> Decoder:
    """Return course-lm before training."""
    torch.manual_seed(seed)
    return Decoder(GPT2LMHeadModel(decoder_config(width, layers)))


def new_draft(seed: int = 0) -> Decoder:
    """Return the draft of course-lm before training: the same kind of model, a fifth of its size."""
    return new_decoder(seed, DRAFT_WIDTH, DRAFT_LAYERS)


def new_encoder(seed: int = 0, width: int = WIDTH, layers: int = LAYERS) -> Encoder:
    """Return the encoder twin before training, its weights drawn at random."""
    torch.manual_seed(seed)
    return Encoder(RobertaPreLayerNormForMaskedLM(encoder_config(width, layers)))


@torch.no_grad()
def begin_as(encoder: Encoder, decoder: Decoder) -> None:
    """Give an encoder the weights of a trained decoder, wherever the two architectures agree.

    What is left to learn is to look to the right, too, and to say what is hidden: a start that saves most of
    the steps. The norm after the embeddings, which GPT-2 lacks, begins at the embeddings' own scale.
    """
    old: Any = decoder.model.transformer
    new: Any = encoder.model.base_model
    head: Any = encoder.model.lm_head.dense
    embeddings = new.embeddings
    embeddings.word_embeddings.weight.copy_(old.wte.weight)
    embeddings.position_embeddings.weight[FIRST_POSITION:].copy_(old.wpe.weight)
    embeddings.token_type_embeddings.weight.zero_()
    embeddings.LayerNorm.weight.fill_(float(old.wte.weight.square().mean().sqrt()))
    new.LayerNorm.load_state_dict(old.ln_f.state_dict())
    head.weight.copy_(torch.eye(len(head.weight)))
    for block, layer in zip(old.h, new.encoder.layer, strict=True):
        own = layer.attention.self
        parts = (own.query, own.key, own.value)
        weights, biases = block.attn.c_attn.weight.chunk(3, dim=1), block.attn.c_attn.bias.chunk(3)
        for linear, weight, bias in zip(parts, weights, biases, strict=True):
            linear.weight.copy_(weight.T)  # GPT-2 keeps its matrices the other way round
            linear.bias.copy_(bias)
        pairs = [
            (layer.attention.output.dense, block.attn.c_proj),
            (layer.intermediate.dense, block.mlp.c_fc),
            (layer.output.dense, block.mlp.c_proj),
        ]
        for linear, convolution in pairs:
            linear.weight.copy_(convolution.weight.T)
            linear.bias.copy_(convolution.bias)
        layer.attention.LayerNorm.load_state_dict(block.ln_1.state_dict())
        layer.intermediate.LayerNorm.load_state_dict(block.ln_2.state_dict())
