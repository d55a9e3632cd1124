# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 · Start here
#
# A language model does one thing: it reads the beginning of a text and says, for every word, how likely that word is to
# come next. Everything else in this course (translating, answering, classifying posts) is built on that one ability.
#
# So the first question is how to tell a good guesser from a poor one. This notebook answers it with a single number,
# **bits per character**. Every model you will build, from counting pairs of words to a transformer, is measured with that
# number on the same text and drawn on the same chart.
#
# **After this notebook you can**
#
# - run a notebook of this course, check your answers, read the hints, and hand it in;
# - say what *nats*, *bits*, *bits per character* and *perplexity* are, and turn one into another;
# - measure any model that gives probabilities.
#
# **Time:** about 40 minutes. **Points:** 12. **You need:** a little Python (functions, lists, loops). No mathematics beyond the
# logarithm, and that is explained where it is used.

# %% [markdown]
# ## 1 How a notebook works
#
# A notebook is a row of cells. Click a cell and press **Shift + Enter** to run it; then go on to the next one, from top to bottom.
#
# | Kind of cell | What you do |
# |---|---|
# | Setup | Run it. It loads what the notebook needs. |
# | Exercise | Replace `raise NotImplementedError()` by your own code. Keep the name and the arguments. |
# | Check | Run it after your exercise. A ✓ says that your answer passed, a ✗ what is wrong with it. |
# | Experiment | Run it and look. It uses what you wrote. |
# | Question | Double-click the cell below it, `YOUR ANSWER HERE`, write your text in its place, and press Shift + Enter. A person reads it. |
#
# Run the cell under the title first (on Colab it installs the course's package; where that is installed already, it does nothing).
# Then run the setup cell.

# %% setup
import math

from nextword import check, corpus, hand_in, ladder, plots, preset

print(preset())

# %% [markdown]
# The line above names the **preset**: how much work the experiments do on this machine. `cpu` is for a laptop, `gpu` for a
# machine with a graphics card (a free Colab one is enough), and `grade` for grading, where nothing is trained. You never need to
# change it. Where the text quotes a measured number, it says for which preset.

# %% [markdown]
# ## 2 A guessing game
#
# Real text has no answer sheet: nobody knows how likely "the" really was in this place. So the course brings its own
# language. **Village** is an English-like language that a small program speaks: it has topics, verbs that agree with nouns
# far away, and a known probability for every next word. That lets us compare any model with the best that is possible.
#
# Here is what people say in the village.

# %% experiment
village = corpus("village")
for sentence in village.train[:6]:
    print(" ".join(sentence))

# %% [markdown]
# Now play. A sentence begins with `the cook`. Which word comes next? Think of one, then run the cell to see how likely every
# word is, according to the program that speaks the language.

# %% experiment
prefix = ["the", "cook"]
truth = dict(zip(village.source.vocabulary, village.source.next_word_distribution(prefix)))
plots.next_words(truth, top=12, title="After “the cook” no word is certain, but some are far likelier")

# %% [markdown]
# Was yours among them? Nobody can *know* the next word, not even the program: it draws it by chance. The best anyone can do is
# to put the probability where it belongs. Such a list of probabilities, one for every word and together 1, is all that a language
# model returns.

# %% [markdown]
# ### Surprise
#
# How good was a guess? Wait for the word that really comes and look at the probability $p$ that the model gave to *it*. If
# $p$ was near 1 the model is not surprised; if $p$ was tiny, it is. We measure the surprise as
#
# $$\text{surprise} = -\ln p .$$
#
# Here $\ln$ is the natural logarithm and the unit is called a **nat**. With logarithms to base 2 the unit is the **bit**:
# one bit is the surprise of a fair coin, $-\log_2 \tfrac12 = 1$. It is the same quantity in another unit, as with miles and kilometres:
#
# $$1 \text{ bit} = \ln 2 \text{ nats}.$$

# %% experiment
probabilities = [i / 200 for i in range(1, 201)]
plots.lines(
    probabilities,
    {"surprise": [-math.log2(p) for p in probabilities]},
    title="The less likely the word was, the larger the surprise",
    x_label="probability that the model gave to the word that came",
    y_label="surprise (bits)",
    points={"coin: 1 bit": (1 / 2, 1.0), "1 in 8: 3 bits": (1 / 8, 3.0), "certain: 0 bits": (1.0, 0.0)},
)

# %% [markdown]
# Why the logarithm? Because it turns *and* into *plus*. A sentence has the probability of its first word, times that of the
# second word given the first, and so on; the surprise of a sentence is therefore the **sum** of the surprises of its words. Below, the
# program that speaks the village language is measured on one of its own sentences. The last bar is the end of the sentence (written
# `</s>`): a model has to say when to stop, too.

# %% experiment
def true_probabilities(sentence):
    """What the village program itself gives to every word of the sentence and to its end."""
    tokens = [*sentence, "</s>"]
    index = village.source.vocabulary.index
    return [float(village.source.next_word_distribution(sentence[:i])[index(word)]) for i, word in enumerate(tokens)]


sentence = max(village.test[:10], key=len)
bits = [-math.log2(p) for p in true_probabilities(sentence)]
plots.surprise([*sentence, "</s>"], bits, title=f"A surprising word costs bits, a safe one hardly any: {sum(bits):.1f} in all")

# %% [markdown]
# ## 3 Bits per character
#
# A long text surprises more than a short one, simply because it is long. To compare, we divide. By what? Models cut text into
# different pieces: words here, letters in one model, parts of words in another. All of them agree on one thing, the **characters** of the text. So
#
# $$\text{bits per character} = \frac{\text{total surprise in nats}}{\ln 2 \,\cdot\, \text{number of characters}} .$$
#
# Two rules for the whole course make the number comparable: a sentence is written out as its words with one space between
# them and a line break at the end, and every one of these characters counts, the spaces and the line break included.
#
# **An example.** A model reads `a small cat` and gives its four tokens (three words and the end of the sentence) the
# probabilities 1/2, 1/8, 1/4 and 1/64. A *token* is one piece that the model predicts.
#
# | token | `a` | `small` | `cat` | end | all |
# |---|---|---|---|---|---|
# | probability | 1/2 | 1/8 | 1/4 | 1/64 | |
# | surprise in bits | 1 | 3 | 2 | 6 | 12 |
# | characters | `a` and a space: 2 | 6 | 3 | line break: 1 | 12 |
#
# Twelve bits, twelve characters: one bit per character. In nats the total is $12 \ln 2$.

# %% [markdown]
# ### Exercise 1: from nats to bits per character
#
# Turn a total surprise in nats into bits per character.
#
# <details><summary>Hint 1: which two things have to change?</summary>
#
# The unit (nats to bits) and the amount of text (all of it to one character). Each is one division.
# </details>
#
# <details><summary>Hint 2: how many bits are there in one nat?</summary>
#
# One bit is $\ln 2$ nats, so a number of nats holds that number divided by $\ln 2$ bits. In Python $\ln 2$ is `math.log(2)`.
# </details>

# %% exercise="bits_per_character" minutes=5 difficulty=1
def bits_per_character(total_nats: float, n_characters: int) -> float:
    """Bits per character of a text.

    total_nats    the surprise of the whole text, -ln p summed over all its tokens
    n_characters  number of characters of the text, spaces and line breaks included; at least 1

    Example: the sentence above has 12 ln 2 nats and 12 characters.
    >>> bits_per_character(12 * math.log(2), 12)
    1.0
    """
    ### BEGIN SOLUTION
    return total_nats / math.log(2) / n_characters
    ### END SOLUTION


# %% [markdown]
# Run the check. If it says ✓, you have passed. To see what a hint looks like, try a wrong answer on purpose
# first: let your function return `total_nats / n_characters` and read what the check says.

# %% test="bits_per_character" points=2
check.equal(
    bits_per_character(12 * math.log(2), 12),
    1.0,
    name="bits_per_character(12 * math.log(2), 12)",
    causes=[
        (0.693147, "this is still in nats; one bit is ln 2 nats, so divide by math.log(2)."),
        (0.301030, "you divided by ln 10; bits are logarithms to base 2."),
        (0.480453, "you multiplied by ln 2; going from nats to bits, divide by it."),
        (12.0, "these are the bits of the whole text; divide by the number of characters."),
        (0.346574, "divide by ln 2, not by 2: one bit is ln 2 nats."),
        (0.254683, "the total is already a sum of logarithms; only its unit has to change."),
    ],
)
check.equal(
    bits_per_character(90.0, 40),
    3.246064,
    name="bits_per_character(90.0, 40)",
    causes=[(0.308065, "the fraction is upside down: bits go above, characters below.")],
)
### BEGIN HIDDEN TESTS
import random

random_numbers = random.Random(7)
for _ in range(20):
    nats, characters = random_numbers.uniform(0.0, 1e5), random_numbers.randrange(1, 100_000)
    check.equal(
        bits_per_character(nats, characters),
        nats / (characters * math.log(2)),
        name=f"bits_per_character({nats}, {characters})",
    )
check.equal(bits_per_character(0.0, 9), 0.0, name="a text that was certain")
check.equal(bits_per_character(math.inf, 9), math.inf, name="a text that was thought impossible")
check.equal(bits_per_character(3, 1), 3 / math.log(2), name="whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Question 1: why characters?
#
# Read the question below. Then double-click `YOUR ANSWER HERE` and write your answer there, in your own words. Three or four
# sentences are enough.

# %% [markdown] question="why_characters" points=2 minutes=4
# Model A reads words, model B reads letters. On the same text A needs 6.0 bits per *token* and B needs 1.6 bits per *token*. Your
# friend says that B is the better model. Is that right? What would you ask for to decide, and why is bits per character fair to both?
#
# ### BEGIN MARK SCHEME
# 2 points: (1) says that the comparison is not valid because the tokens differ: a word holds several letters, so a model of letters pays
# several times for what a model of words pays once; (1) asks for the total surprise divided by something that does not depend on how the
# text was cut (characters, or the total over the very same text). A good answer may compute: with about five characters a word
# and the space, A needs about 6.0 / 6 = 1.0 bits per character and would be the better one. Half a point off for "divide by words"
# without a reason why both models can be divided by it.
# ### END MARK SCHEME

# %% [markdown]
# ## 4 Perplexity
#
# The literature often reports another form of the same number. Imagine a die with $k$ equal sides: at every throw you
# are surprised by $\ln k$ nats, never more and never less. **Perplexity** asks the question backwards: a model that is surprised by this much on
# average, between how many equally likely words does it hesitate?
#
# $$\text{perplexity} = \exp\Big(\frac{1}{T} \sum_{t=1}^{T} -\ln p_t\Big)$$
#
# $T$ is the number of tokens, $p_t$ the probability that the model gave to token number $t$. Read it from the inside: surprise of each
# token, *average* over the tokens, and only then the exponential, which undoes the logarithm. (Perplexity was introduced for speech
# recognition by Jelinek, Mercer, Bahl and Baker, 1977.)
#
# **An example.** Two tokens got the probabilities 1/2 and 1/8. Their surprises are $\ln 2$ and $\ln 8$, the average is
# $\tfrac12 (\ln 2 + \ln 8) = \tfrac12 \ln 16 = \ln 4$, and the perplexity is 4. The model hesitates as if between four words.

# %% experiment
plots.bars(
    {"first token: 1 in 2": 2, "second token: 1 in 8": 8, "mean of the two": 5, "perplexity": 4},
    title="Perplexity averages surprises: it is 4 here, and not 5",
    x_label="equally likely words",
    highlight=["perplexity"],
)

# %% [markdown]
# ### Exercise 2: perplexity
#
# Compute the perplexity from the surprises of the tokens. They are called `nll_per_token`, because $-\ln p$ is also known as the
# *negative log-likelihood*, NLL for short.
#
# <details><summary>Hint 1: in which order?</summary>
#
# First the average of the list (its sum divided by its length), then one exponential of that average.
# </details>
#
# <details><summary>Hint 2: which exponential?</summary>
#
# The surprises are natural logarithms, so what undoes them is `math.exp`.
# </details>
#
# <details><summary>I get 5 where 4 is expected. What is wrong?</summary>
#
# You took the exponential of each surprise first and averaged afterwards. Rare, very surprising tokens then count far too much.
# </details>

# %% exercise="perplexity" minutes=7 difficulty=1
def perplexity(nll_per_token: list[float]) -> float:
    """Perplexity of a model on a text: the number of equally likely words it hesitates between.

    nll_per_token  surprise of every token in nats, -ln p; at least one

    Example: two tokens with the probabilities 1/2 and 1/8.
    >>> perplexity([math.log(2), math.log(8)])
    4.0
    """
    ### BEGIN SOLUTION
    return math.exp(sum(nll_per_token) / len(nll_per_token))
    ### END SOLUTION


# %% test="perplexity" points=3
check.equal(
    perplexity([math.log(2), math.log(8)]),
    4.0,
    name="perplexity([ln 2, ln 8])",
    causes=[
        (5.0, "this is the mean of perplexities; average the surprises first, and take one exponential at the end."),
        (2.614064, "you used base 2 on surprises in nats; what undoes ln is math.exp."),
        (24.338530, "you used base 10 on surprises in nats; what undoes ln is math.exp."),
        (16.0, "you took the sum of the surprises; perplexity takes their average per token."),
        (1.386294, "this is the average surprise itself; its exponential is missing."),
        (0.25, "the sign is wrong: the surprises are positive already, so a perplexity is at least 1."),
    ],
)
check.equal(
    perplexity([0.5, 1.5, 4.0]),
    7.389056,
    name="perplexity([0.5, 1.5, 4.0])",
    causes=[(4.481689, "this uses the middle value; take the average of all surprises.")],
)
try:
    long_text = perplexity([5.0, 6.0] * 500)
except OverflowError:
    long_text = math.inf
check.equal(
    long_text,
    244.691932,
    name="perplexity of 1000 tokens",
    causes=[(math.inf, "multiplying many large numbers overflows; average the surprises before the one exponential.")],
)
### BEGIN HIDDEN TESTS
import random

random_numbers = random.Random(11)
for length in [1, 2, 7, 100, 5000]:
    nlls = [random_numbers.expovariate(0.3) for _ in range(length)]
    check.equal(perplexity(nlls), math.exp(sum(nlls) / length), name=f"perplexity of {length} random tokens")
check.equal(perplexity([0.0, 0.0, 0.0]), 1.0, name="a model that was certain and right")
check.equal(perplexity([math.log(600)] * 50), 600.0, name="a model that gives 600 words the same probability")
check.equal(perplexity([1.0, math.inf]), math.inf, name="a model that thought one token impossible")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 Measure a model
#
# Put the pieces together. You get the words of a sentence and the probability that a model gave to each of them and to the end, and
# you return bits per character. From here on you can measure any model there is.
#
# ### Exercise 3: score a sentence
#
# Bits per character of one sentence, from its words and the probabilities of its tokens.
#
# <details><summary>Hint 1: what is the text, exactly?</summary>
#
# The words with one space between them, and a line break at the end. Build that string and take its length.
# </details>
#
# <details><summary>Hint 2: pseudocode</summary>
#
#     text = the words, joined by " ", then "\n"
#     total = the sum of -log(p) over all probabilities
#     return total / log(2) / number of characters in text
# </details>
#
# <details><summary>I see 1.09 or 0.5 instead of 1</summary>
#
# 1.09 is 12 bits for 11 characters: the line break was not counted. 0.5 is 6 bits for 12 characters: the end of the sentence is a token as well, and its 6 bits were left out.
# </details>

# %% exercise="score_sentence" minutes=8 difficulty=2
def score_sentence(words: list[str], probabilities: list[float]) -> float:
    """Bits per character of one sentence.

    words          the words of the sentence, without a symbol for the end
    probabilities  what the model gave to every word and, last, to the end of the sentence:
                   len(words) + 1 numbers, each above 0

    Example: "a small cat" and the line break are 12 characters; the surprises are 1 + 3 + 2 + 6 = 12 bits.
    >>> score_sentence(["a", "small", "cat"], [1 / 2, 1 / 8, 1 / 4, 1 / 64])
    1.0
    """
    ### BEGIN SOLUTION
    text = " ".join(words) + "\n"
    total_nats = -sum(math.log(p) for p in probabilities)
    return total_nats / math.log(2) / len(text)
    ### END SOLUTION


# %% test="score_sentence" points=3
check.equal(
    score_sentence(["a", "small", "cat"], [1 / 2, 1 / 8, 1 / 4, 1 / 64]),
    1.0,
    name='score_sentence(["a", "small", "cat"], [1/2, 1/8, 1/4, 1/64])',
    causes=[
        (3.0, "these are bits per token; divide by the number of characters of the text."),
        (4.0, "these are bits per word; divide by the number of characters of the text."),
        (12 / 11, "the line break at the end of the sentence is a character too."),
        (12 / 10, "the spaces between the words are characters too."),
        (12 / 9, "the spaces and the line break are characters too."),
        (12.0, "these are the bits of the whole sentence; divide by the number of characters of the text."),
        (0.5, "the end of the sentence has to be predicted too: use all probabilities."),
        (0.693147, "this is still in nats; bits are logarithms to base 2."),
        (0.301030, "you used logarithms to base 10; bits are logarithms to base 2."),
        (-1.0, "the sign is wrong: a surprise is -log p, which is never below 0."),
        (0.25, "add the surprises of all tokens up; do not average them as well."),
    ],
)
check.equal(
    score_sentence(["the", "pump", "ran", "down"], [0.3, 0.02, 0.1, 0.6, 0.9]),
    0.643984,
    name='score_sentence(["the", "pump", "ran", "down"], [0.3, 0.02, 0.1, 0.6, 0.9])',
)
### BEGIN HIDDEN TESTS
import random

random_numbers = random.Random(23)
for length in [1, 2, 5, 12, 60]:
    words = ["".join(random_numbers.choices("abcdefghij", k=random_numbers.randrange(1, 9))) for _ in range(length)]
    probabilities = [random_numbers.uniform(1e-6, 1.0) for _ in range(length + 1)]
    bits = sum(-math.log2(p) for p in probabilities)
    check.equal(
        score_sentence(words, probabilities), bits / (sum(len(word) + 1 for word in words)), name=f"a sentence of {length} words"
    )
check.equal(score_sentence(["well", "yes"], [1.0, 1.0, 1.0]), 0.0, name="a sentence that was certain")
check.equal(score_sentence(["o"], [1.0, 1 / 4]), 1.0, name="only the end was in doubt")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: the two ends of the chart
#
# Between which values will all our models fall? The upper end is a model that knows nothing and gives every word the same
# probability. The lower end is the village program itself, which knows the probabilities that the words were drawn with: on average
# no model that reads one sentence at a time can do better. This lower end is called **the floor**. Your function measures both on the same five sentences.

# %% experiment
def uniform_probabilities(sentence):
    return [1 / len(village.source.vocabulary)] * (len(sentence) + 1)


for sentence in village.test[:5]:
    uniform, best = (score_sentence(sentence, p(sentence)) for p in (uniform_probabilities, true_probabilities))
    print(f"uniform {uniform:.2f}   village {best:.2f}   {' '.join(sentence)}")

# %% [markdown]
# On every sentence the numbers differ, so a model is measured on many sentences at once: add up all the nats, add up all the
# characters, and divide at the end. The sentences must be ones that no model has learned from, **held-out** text. The village has two
# lots of it: `village.valid`, to choose settings on, and `village.test`, for the chart on which all models will stand. The chart begins with its two ends.

# %% experiment
test = village.test
characters = sum(len(" ".join(sentence)) + 1 for sentence in test)
tokens = sum(len(sentence) + 1 for sentence in test)
nats = tokens * math.log(len(village.source.vocabulary))

print(f"{len(test)} sentences, {tokens} tokens, {characters} characters")
print(f"uniform: {bits_per_character(nats, characters):.3f} bits per character")
print(f"floor:   {village.source.bits_per_character_floor(test):.3f} bits per character")
ladder.record("Uniform", nats=nats, characters=characters, notebook="00")
ladder.chart()

# %% [markdown]
# The distance between the bar and the dashed line is the subject of this course. In notebook 01 counting alone closes most of it.

# %% [markdown] question="below_the_floor" points=2 minutes=4
# **Question 2.** A fellow student reports a model that is *below* the floor: fewer bits per character than the village program
# itself. First: can that happen on a single sentence? Second: the number was measured on the whole held-out text.
# What would you suspect, and how would you check it?
#
# ### BEGIN MARK SCHEME
# 2 points: (1) yes on a single sentence: the floor is the best possible *on average*, and a model that happens to put much probability on
# what was said can be lucky on one sentence; (1) on a thousand sentences luck averages out, so there is a fault: the model has seen the test
# sentences in training, the probabilities do not sum to 1, the end of the sentence was not charged, or characters were counted wrongly (also
# right: it reads the sentences before, which the floor does not). Any
# one of these with a way to check it (search the test sentences in the training text; sum the probabilities over the vocabulary) is enough.
# ### END MARK SCHEME

# %% [markdown]
# ## 6 When you are stuck, and when you are done
#
# - **Read the check's message to its end.** It shows what was called, what was expected, what came, and often the likely cause.
# - **Open the hints one at a time.** They go from a question to pseudocode. Using them costs nothing.
# - **Checks are not all there is.** When your notebook is graded, further inputs are tried: unusual ones, long ones, empty ones. A function that
#   does what its description says has nothing to fear.
# - **Strange errors** often come from cells run out of order. Choose *Restart and run all*, and look at the first cell that fails.
# - **Leave the locked cells as they are.** Add cells of your own wherever you like; they are never graded.
# - **Done?** Run the last cell of the notebook. It names the exercises that are still to be written and the questions without an answer, and
#   says how to hand in.

# %% [markdown]
# ## What to remember
#
# - A language model gives every possible next word a probability; together they are 1.
# - The surprise at a word is $-\ln p$ nats, or $-\log_2 p$ bits. Surprises add up along a text.
# - **Bits per character** = total nats / ($\ln 2$ · number of characters). It is fair to models that cut text differently.
# - **Perplexity** = exp(average surprise per token in nats). Average first, exponential last.
# - Measure on held-out text. On average, no model that reads one sentence at a time can be below the floor.
#
# ## Further reading
#
# - C. E. Shannon (1948), *A Mathematical Theory of Communication*, Bell System Technical Journal 27. Where bits come from.
# - C. E. Shannon (1951), *Prediction and Entropy of Printed English*, Bell System Technical Journal 30, 50-64. The guessing game, played
#   with people, letter by letter.
# - F. Jelinek, R. L. Mercer, L. R. Bahl, J. K. Baker (1977), *Perplexity: a measure of the difficulty of speech recognition tasks*, Journal of
#   the Acoustical Society of America 62 (S1), S63.
# - P. F. Brown et al. (1992), *An Estimate of an Upper Bound for the Entropy of English*, Computational Linguistics 18(1), 31-40.
#   Bits per character of English, measured with a model of word triples.

# %% submit
hand_in("00_start_here", "bits_per_character", "perplexity", "score_sentence")
