"""Word vectors by skip-gram with negative sampling, for large texts: what notebook 02 derives, made fast.

The loss and its gradients are those of notebook 02. The speed comes from taking two thousand words of running
text at a time and looking up each of them once, however many pairs it is in:

- The two words of a true pair are 1, 2, ... places apart. So the scores of all pairs at one distance are the
  products of the block's rows with the same rows, moved by that many places.
- Noise words are drawn for a group of neighbouring words and not for each pair, so their scores are a product
  of two matrices (Ji et al. 2016, "Parallelizing Word2Vec in Shared and Distributed Memory").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

GROUP = 128  # neighbouring words that share their noise words
NOISE = 64  # noise words of a group; with fewer the vectors are worse, with more the training is slower
BLOCK = 16 * GROUP  # words of running text in a step


class Embeddings:
    """A vector for each word, and steps of Adagrad (Duchi et al. 2011) with one step size for each word.

    The more a word's vector was moved so far, the smaller its next step: frequent words, which get the
    gradients of many pairs in each step, do not overshoot, and rare ones still get along.
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors
        self.moved = torch.zeros(len(vectors), 1)

    def step(self, rows: Tensor, gradients: Tensor, rate: float) -> None:
        """Move the vectors of different words, shape (n,), against their gradients, shape (n, dim)."""
        moved = self.moved.index_select(0, rows) + gradients.square().mean(dim=1, keepdim=True)
        self.moved[rows] = moved
        self.vectors.index_add_(0, rows, gradients * (-rate / (moved.sqrt() + 1e-6)))


def skipgram(
    sentences: Sequence[Sequence[str]],
    *,
    dim: int = 64,
    window: int = 2,
    negatives: int = 5,
    threshold: float = 1e-3,
    epochs: int = 5,
    rate: float = 0.3,
    seed: int = 0,
) -> tuple[list[str], np.ndarray]:
    """Return the words, most frequent first, and their vectors, shape (V, dim), float32.

    sentences  lists of words; windows do not cross from one to the next
    window     how many words to the left and to the right are a word's contexts
    negatives  how much noise counts, in noise words per true pair
    threshold  words whose share of the text is larger are thinned out, anew in each epoch
    rate       the learning rate at the start; it falls to 0 in a straight line

    Raises ValueError for sentences without words, and for sentences that are strings.
    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
    Compositionality".
    """
    if any(isinstance(sentence, str) for sentence in sentences):
        raise ValueError("A sentence is a list of words, not a string. Pass sentence.split().")
    counts = Counter(chain.from_iterable(sentences))
    if not counts:
        raise ValueError("The sentences have no words. Pass at least one sentence with a word.")
    words = [word for word, _ in counts.most_common()]
    ids = {word: i for i, word in enumerate(words)}
    text = torch.tensor([ids[word] for sentence in sentences for word in sentence])
    sentence_of = torch.arange(len(sentences)).repeat_interleave(torch.tensor([len(s) for s in sentences]))

    generator = torch.Generator().manual_seed(seed)
    occurrences = torch.tensor([counts[word] for word in words], dtype=torch.float)
    keep = shares_kept(occurrences, threshold)[text]
    noise_up_to = (occurrences**0.75).cumsum(0)
    centers = Embeddings((torch.rand(len(words), dim, generator=generator) - 0.5) / dim)
    contexts = Embeddings(torch.zeros(len(words), dim))

    for epoch in range(epochs):
        kept = torch.rand(len(text), generator=generator) < keep
        tokens, sentence = _whole_groups(text[kept], sentence_of[kept])
        if not len(tokens):
            continue  # of a short text all words may be left out
        draws = torch.rand(len(tokens) // GROUP * NOISE, generator=generator) * noise_up_to[-1]
        noise = torch.searchsorted(noise_up_to, draws).clamp_(max=len(words) - 1)
        blocks = list(
            zip(tokens.split(BLOCK), sentence.split(BLOCK), noise.split(BLOCK // GROUP * NOISE), strict=True)
        )
        for i, block in enumerate(blocks):
            done = (epoch + i / len(blocks)) / epochs
            _step(centers, contexts, *block, window, negatives, rate * (1 - done))
    return words, centers.vectors.numpy()


def shares_kept(occurrences: Tensor, threshold: float) -> Tensor:
    """Return the probability with which each word is kept, shape (V,), by the rule of word2vec's code.

    occurrences  how often each word occurs, shape (V,)
    threshold    the share of the text up to which a word is always kept
    """
    relative = threshold / (occurrences / occurrences.sum())
    return (relative + relative.sqrt()).clamp(max=1)


def _whole_groups(tokens: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor]:
    """Fill up the last group of words with sentences of one word, which are in no pair."""
    missing = -len(tokens) % GROUP
    return (
        torch.cat([tokens, torch.zeros(missing, dtype=torch.long)]),
        torch.cat([sentence, -1 - torch.arange(missing)]),
    )


def _step(
    centers: Embeddings,
    contexts: Embeddings,
    tokens: Tensor,
    sentence: Tensor,
    noise: Tensor,
    window: int,
    negatives: int,
    rate: float,
) -> None:
    """Take one step with the sum of the gradients of a block of running text.

    tokens    word numbers, shape (B,), B a multiple of GROUP
    sentence  which sentence each of them is in, shape (B,)
    noise     word numbers, NOISE for each group, shape (B / GROUP * NOISE,)
    """
    n = len(tokens)
    with_noise = torch.cat([tokens, noise])
    here = centers.vectors.index_select(0, tokens)  # (B, dim)
    there = contexts.vectors.index_select(0, with_noise)  # (B, dim), and below them those of the noise
    grad_here, grad_there = torch.zeros_like(here), torch.zeros_like(there)

    pairs = torch.zeros(n)  # how many pairs each word is the center of
    for distance in range(1, min(window, n - 1) + 1):
        left, right = slice(0, n - distance), slice(distance, n)
        together = (sentence[left] == sentence[right]).float()
        pairs[left] += together
        pairs[right] += together
        for center, context in ((left, right), (right, left)):
            scores = (here[center] * there[context]).sum(dim=1)
            errors = ((scores.sigmoid_() - 1) * together)[:, None]
            grad_here[center].addcmul_(errors, there[context])
            grad_there[context].addcmul_(errors, here[center])

    # noise: for each group a matrix of scores, (GROUP, NOISE)
    grouped, noisy = here.view(-1, GROUP, here.shape[1]), there[n:].view(-1, NOISE, here.shape[1])
    weights = pairs.view(-1, GROUP, 1) * (negatives / NOISE)
    noise_errors = (grouped @ noisy.mT).sigmoid_() * weights
    grad_here += (noise_errors @ noisy).view_as(here)
    grad_there[n:] = (noise_errors.mT @ grouped).view(-1, here.shape[1])

    rows, places = with_noise.unique(return_inverse=True)  # each word once
    zeros = torch.zeros(len(rows), here.shape[1])
    centers.step(rows, zeros.index_add(0, places[:n], grad_here), rate)
    contexts.step(rows, zeros.index_add(0, places, grad_there), rate)
