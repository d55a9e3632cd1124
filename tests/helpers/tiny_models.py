"""Tiny random causal models in the format of transformers, with the tokenizers that models come with.

"byte-level": GPT-2's kind (a leading space belongs to the token), no pad token, no chat template.
"metaspace": SentencePiece's kind (spaces as a mark in front of words), with a start token.
"""

from __future__ import annotations

from pathlib import Path

STYLES = ("byte-level", "byte-level, chat", "metaspace", "metaspace, chat")
TEXT = [
    "Review: The staff was friendly and the room was clean.\nSentiment: positive",
    "Headline: Keeper saves two penalties in the final\nTopic: sport",
    "Post: Let them keep their phones!\nStance towards a ban on phones: against none favour favourable",
    "negative politics economy science culture and <s> a longer text, with commas; 0123456789?",
]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def save_tiny_model(folder: Path, style: str, seed: int = 0) -> Path:
    """Make a model and a tokenizer of that style, save both in the folder, and return it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    chat = style.endswith("chat")
    torch.manual_seed(seed)
    if style.startswith("byte-level"):
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] if chat else ["<|endoftext|>"]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        core.train_from_iterator(
            TEXT,
            trainers.BpeTrainer(
                vocab_size=340, special_tokens=special, initial_alphabet=alphabet, show_progress=False
            ),
        )
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, eos_token="<|im_end|>" if chat else "<|endoftext|>"
        )
        tokenizer.chat_template = CHATML if chat else None
        config = GPT2Config(
            vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=2,
            bos_token_id=0, eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        model = GPT2LMHeadModel(config)
    else:
        core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
        core.decoder = decoders.Sequence(
            [
                decoders.Replace("\u2581", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
        special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        core.train_from_iterator(
            TEXT, trainers.BpeTrainer(vocab_size=440, special_tokens=special, show_progress=False)
        )
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>" if chat else "<s> $A", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
        )
        tokenizer.chat_template = NO_SYSTEM if chat else None
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
            bos_token_id=1, eos_token_id=2, initializer_range=0.2,
        )  # fmt: skip
        model = LlamaForCausalLM(config)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
