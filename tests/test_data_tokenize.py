"""Tokenizers: text to numbers and back, by characters, words and pairs of bytes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl import data
from minidl.data.bpe import learn, merge
from minidl.errors import DTypeError, RangeError

SAMPLE = "the cat sat on the mat, and the rat sat on the cat. " * 3


def test_characters_go_there_and_back():
    letters = data.CharTokenizer(SAMPLE, special=["<pad>", "<end>"])
    assert letters["<pad>"] == 0
    assert letters["<end>"] == 1
    numbers = letters.encode(SAMPLE)
    assert numbers.dtype == np.int64
    assert numbers.shape == (len(SAMPLE),)
    assert numbers.min() == 2
    assert numbers.max() == len(letters) - 1
    assert letters.decode(numbers) == SAMPLE
    assert letters.decode([0, *numbers[:7], 1]) == "the cat"
    assert letters.strings(letters.encode("at")) == ["a", "t"]
    assert letters.encode("").shape == (0,)


def test_unknown_tokens_are_an_error_or_the_unknown_one():
    with pytest.raises(RangeError, match="'z' is none of the 14 tokens"):
        data.CharTokenizer(SAMPLE).encode("zoo")
    letters = data.CharTokenizer("ab", special=["?"], unknown="?")
    assert letters.encode("azb").tolist() == [1, 0, 2]
    words = data.WordTokenizer([SAMPLE], special=[], unknown=None)
    with pytest.raises(RangeError, match="'dog'"):
        words.encode("the dog")
    with pytest.raises(RangeError, match="no token"):
        letters["<end>"]
    with pytest.raises(RangeError, match="once"):
        data.CharTokenizer("ab", special=["a"])
    for bad in (-1, 3):
        with pytest.raises(RangeError, match=f"token {bad} is none of 0 … 2"):
            letters.decode([0, bad])


def test_words_are_ranked_by_frequency():
    words = data.WordTokenizer([SAMPLE], size=3)
    assert words.tokens == ("<unknown>", "the", "cat", "on")  # ties: the alphabet
    assert words.encode("the mat on the cat").tolist() == [1, 0, 3, 1, 2]
    assert words.decode([1, 2]) == "the cat"
    whole = data.WordTokenizer([SAMPLE])
    assert set(whole.tokens[1:]) == set(data.split_words(SAMPLE))
    assert data.split_words("rescue worker’s 2nd—try") == [
        "rescue", "worker’s", "2nd", "—", "try",
    ]  # fmt: skip


# Byte pairs


def naive(pieces, count):
    """Count every pair anew each time: the definition."""
    pieces, merges = [list(p.encode()) for p in pieces], []
    for new in range(256, 256 + count):
        counts = Counter(pair for p in pieces for pair in pairwise(p))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        merges.append(best)
        pieces = [merge(p, best, new) for p in pieces]
    return merges


def test_learning_by_updates_is_learning_by_counting():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pieces = ["".join(rng.choice(list("aab"), n)) for n in rng.integers(1, 9, 40)]
        pieces = [pieces[0], *(" " + p for p in pieces[1:])]
        assert learn("".join(pieces), 25) == naive(pieces, 25)


def test_the_example_of_aaab():
    assert learn("aaabdaaabac", 3) == [(97, 97), (97, 98), (256, 257)]
    assert merge([1, 1, 1], (1, 1), 9) == [9, 1]
    assert learn("abc", 5) == []  # nothing occurs twice


def test_pairs_shorten_text_and_lose_nothing():
    pairs = data.BytePairTokenizer.train(SAMPLE, 270, special=["<pad>", "<end>"])
    assert len(pairs) == 270
    assert (pairs["<pad>"], pairs["<end>"]) == (268, 269)
    numbers = pairs.encode(SAMPLE)
    assert len(numbers) < len(SAMPLE) / 2.5
    assert pairs.decode(numbers) == SAMPLE
    assert pairs.decode([*numbers, 268, 269]) == SAMPLE
    assert "".join(pairs.strings(numbers)) == SAMPLE
    again = data.BytePairTokenizer(pairs.merges, pairs.special)  # as saved and loaded
    assert np.array_equal(again.encode(SAMPLE), numbers)
    assert " the" in again.strings(numbers)


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_any_text_survives(text):
    pairs = data.BytePairTokenizer([(97, 98), (256, 99), (195, 164)])
    assert pairs.decode(pairs.encode(text)) == text


def test_merges_apply_in_the_order_they_were_learned():
    pairs = data.BytePairTokenizer([(98, 99), (97, 98)])  # bc before ab
    assert pairs.encode("abc").tolist() == [97, 256]


def test_pair_errors():
    train = data.BytePairTokenizer.train
    with pytest.raises(RangeError, match="size=256 is less than the 256 bytes and 1"):
        train("aa", 256, special=["x"])
    with pytest.raises(RangeError, match="merge 0 joins"):
        data.BytePairTokenizer([(256, 1)])
    pairs = train("aaaa", 257)
    with pytest.raises(RangeError, match="token 257 is none of 0 … 256"):
        pairs.decode([97, 257])
    with pytest.raises(RangeError, match="none of the special"):
        pairs["<end>"]
    with pytest.raises(DTypeError, match="not bytes"):
        pairs.encode(b"aa")
    assert pairs.decode([0xFF]) == "\ufffd"


def test_a_word_splits_alike_wherever_it_stands():
    """Pieces begin with their space, so merges never reach from word to word."""
    pairs = data.BytePairTokenizer.train(SAMPLE, 270)
    assert all(b" " not in part[1:] for part in pairs.contents if part.strip())
    text = "a  b\n\n c"
    assert "".join(pairs.strings(pairs.encode(text))) == text
