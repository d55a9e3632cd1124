"""Other right answers to notebook 00, and the wrong ones that students give."""

import math
import statistics

import numpy as np

from autograder.variants import right, wrong

# --- bits_per_character ------------------------------------------------------------------------------------------------


@right("bits_per_character", why="changes the unit first, with log2(e)")
def with_log2_of_e(total_nats: float, n_characters: int) -> float:
    bits = total_nats * math.log2(math.e)
    return bits / n_characters


@right("bits_per_character", why="uses numpy and returns a numpy float")
def with_numpy(total_nats: float, n_characters: int) -> float:
    return np.float64(total_nats) / (n_characters * np.log(2))


@wrong(
    "bits_per_character",
    misconception="Leaves the result in nats.",
    hint="still in nats",
)
def left_in_nats(total_nats: float, n_characters: int) -> float:
    return total_nats / n_characters


@wrong(
    "bits_per_character",
    misconception="Takes the logarithm to base 10.",
    hint="bits are logarithms to base 2",
)
def log_ten(total_nats: float, n_characters: int) -> float:
    return total_nats / math.log(10) / n_characters


@wrong(
    "bits_per_character",
    misconception="Multiplies by ln 2 where a division is needed.",
    hint="you multiplied by ln 2",
)
def multiplied(total_nats: float, n_characters: int) -> float:
    return total_nats * math.log(2) / n_characters


@wrong(
    "bits_per_character",
    misconception="Gives the bits of the whole text, not per character.",
    hint="divide by the number of characters",
)
def bits_of_the_text(total_nats: float, n_characters: int) -> float:
    return total_nats / math.log(2)


@wrong(
    "bits_per_character",
    misconception="Turns the fraction upside down: characters per bit.",
    hint="upside down",
)
def characters_per_bit(total_nats: float, n_characters: int) -> float:
    return n_characters * math.log(2) / max(total_nats, 1e-9)


@wrong(
    "bits_per_character",
    misconception="Takes the logarithm of the total, which is a sum of logarithms already.",
    hint="already a sum of logarithms",
)
def log_of_nats(total_nats: float, n_characters: int) -> float:
    return math.log2(max(total_nats, 1e-9)) / n_characters


@wrong(
    "bits_per_character",
    misconception="Divides by 2 because bits have base 2.",
    hint="divide by ln 2, not by 2",
)
def halved(total_nats: float, n_characters: int) -> float:
    return total_nats / 2 / n_characters


# --- perplexity --------------------------------------------------------------------------------------------------------


@right("perplexity", why="numpy: exp of the mean")
def exp_of_numpy_mean(nll_per_token: list[float]) -> float:
    return float(np.exp(np.mean(nll_per_token)))


@right("perplexity", why="goes through bits: 2 to the mean number of bits")
def through_bits(nll_per_token: list[float]) -> float:
    bits = [nll / math.log(2) for nll in nll_per_token]
    return 2 ** (sum(bits) / len(bits))


@right("perplexity", why="a loop that keeps the running total")
def with_a_loop(nll_per_token: list[float]) -> float:
    total, tokens = 0.0, 0
    for nll in nll_per_token:
        total += nll
        tokens += 1
    return math.e ** (total / tokens)


@wrong(
    "perplexity",
    misconception="Averages the perplexities of the tokens instead of their surprises.",
    hint="mean of perplexities",
)
def mean_of_perplexities(nll_per_token: list[float]) -> float:
    return sum(math.exp(nll) for nll in nll_per_token) / len(nll_per_token)


@wrong(
    "perplexity", misconception="Raises 2 to a number of nats.", hint="you used base 2 on surprises in nats"
)
def base_two(nll_per_token: list[float]) -> float:
    return 2 ** (sum(nll_per_token) / len(nll_per_token))


@wrong("perplexity", misconception="Raises 10 to a number of nats.", hint="you used base 10")
def base_ten(nll_per_token: list[float]) -> float:
    return 10 ** (sum(nll_per_token) / len(nll_per_token))


@wrong(
    "perplexity",
    misconception="Takes the sum where the average per token is asked.",
    hint="average per token",
)
def no_average(nll_per_token: list[float]) -> float:
    return float(np.exp(np.float64(sum(nll_per_token))))


@wrong("perplexity", misconception="Stops at the average surprise.", hint="exponential is missing")
def no_exponential(nll_per_token: list[float]) -> float:
    return sum(nll_per_token) / len(nll_per_token)


@wrong(
    "perplexity",
    misconception="Takes the surprises for log-probabilities and changes their sign.",
    hint="the sign is wrong",
)
def wrong_sign(nll_per_token: list[float]) -> float:
    return math.exp(-sum(nll_per_token) / len(nll_per_token))


@wrong("perplexity", misconception="Takes the median for the average.", hint="the average of all surprises")
def median(nll_per_token: list[float]) -> float:
    return math.exp(statistics.median(nll_per_token))


@wrong(
    "perplexity",
    misconception="Multiplies exponentials and takes the root, which overflows on a text of ordinary length.",
    hint="overflows",
)
def root_of_product(nll_per_token: list[float]) -> float:
    product = math.prod(math.exp(nll) for nll in nll_per_token)
    return product ** (1 / len(nll_per_token))


@wrong(
    "perplexity",
    misconception="Takes the exponential of the whole sum before the root, which overflows on a text of ordinary length.",
    hint="overflows",
)
def root_of_exponential(nll_per_token: list[float]) -> float:
    return math.exp(sum(nll_per_token)) ** (1 / len(nll_per_token))


# --- score_sentence ----------------------------------------------------------------------------------------------------


@right("score_sentence", why="adds bits directly, counts characters without building the text")
def bits_directly(words: list[str], probabilities: list[float]) -> float:
    bits = sum(-math.log2(p) for p in probabilities)
    return bits / sum(len(word) + 1 for word in words)


@right("score_sentence", why="numpy, and the length of the text plus one")
def numpy_bits(words: list[str], probabilities: list[float]) -> float:
    return float(-np.log2(np.array(probabilities)).sum() / (len(" ".join(words)) + 1))


@wrong(
    "score_sentence",
    misconception="Divides by the number of tokens: per token instead of per character.",
    hint="these are bits per token",
)
def per_token(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities) / len(probabilities)


@wrong("score_sentence", misconception="Divides by the number of words.", hint="these are bits per word")
def per_word(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities) / len(words)


@wrong(
    "score_sentence", misconception="Forgets the line break that ends the sentence.", hint="the line break"
)
def no_line_break(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities) / len(" ".join(words))


@wrong(
    "score_sentence",
    misconception="Counts letters only, not the spaces.",
    hint="the spaces between the words",
)
def no_spaces(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities) / len("".join(words) + "\n")


@wrong("score_sentence", misconception="Counts letters only.", hint="the spaces and the line break")
def letters_only(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities) / len("".join(words))


@wrong(
    "score_sentence",
    misconception="Leaves out the end of the sentence, pairing words with probabilities.",
    hint="the end of the sentence has to be predicted",
)
def end_not_charged(words: list[str], probabilities: list[float]) -> float:
    bits = sum(-math.log2(p) for _, p in zip(words, probabilities))
    return bits / (len(" ".join(words)) + 1)


@wrong("score_sentence", misconception="Leaves the result in nats.", hint="still in nats")
def in_nats(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log(p) for p in probabilities) / (len(" ".join(words)) + 1)


@wrong("score_sentence", misconception="Takes logarithms to base 10.", hint="logarithms to base 10")
def in_base_ten(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log10(p) for p in probabilities) / (len(" ".join(words)) + 1)


@wrong("score_sentence", misconception="Forgets the minus sign.", hint="the sign is wrong")
def negative(words: list[str], probabilities: list[float]) -> float:
    return sum(math.log2(p) for p in probabilities) / (len(" ".join(words)) + 1)


@wrong(
    "score_sentence", misconception="Gives the bits of the whole sentence.", hint="bits of the whole sentence"
)
def not_divided(words: list[str], probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities)


@wrong(
    "score_sentence",
    misconception="Averages over tokens and over characters.",
    hint="do not average them as well",
)
def averaged_twice(words: list[str], probabilities: list[float]) -> float:
    mean = sum(-math.log2(p) for p in probabilities) / len(probabilities)
    return mean / (len(" ".join(words)) + 1)
