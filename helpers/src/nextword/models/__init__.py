"""Language models for the notebooks that come after the one in which their kind is built.

They are made of PyTorch's fused modules, and all share one interface: `model(idx, targets=None)` returns
(logits, loss) for token ids idx (B, T) long; logits are (B, T, V), the loss is the mean of -log p (nats) over
the targets (B, T) that are not -100, and None without targets. Logits at t depend on ids up to t only.
"""

from nextword.models.feedforward import FeedForward
from nextword.models.generation import generate
from nextword.models.gpt import GPT, Cache, GPTConfig
from nextword.models.recurrent import Recurrent

__all__ = ["GPT", "Cache", "FeedForward", "GPTConfig", "Recurrent", "generate"]
