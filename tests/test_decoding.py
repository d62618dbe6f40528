"""Decoding: choosing a token, going on with and without a cache, beam search."""

import itertools

import numpy as np
import pytest

from minidl import models, ops
from minidl.engine.modes import no_grad
from minidl.errors import DTypeError, NonFiniteError, RangeError, ShapeError
from minidl.models import Sampler, beam_search, generate, greedy, probabilities

V = 7


def talkers():
    """Every model that speaks, tiny, each with the state it begins from."""
    rng = np.random.default_rng(3)
    image = rng.random((2, 3, 8, 8), dtype=np.float32)
    word = np.array([[1, 2, 3, 4], [2, 3, 0, 0]])
    small = {"dim": 8, "dropout": 0.2, "rng": 5}
    eye = {"channels": (4, 6), **small}
    return {
        "rnn": (lambda: models.CharRNN(V, hidden=9, kind="rnn", **small), None),
        "lstm": (lambda: models.CharRNN(V, hidden=9, num_layers=2, **small), None),
        "gru": (lambda: models.CharRNN(V, hidden=9, kind="gru", **small), None),
        "gpt": (lambda: models.GPT(V, 64, heads=2, layers=2, **small), None),
        "full gpt": (lambda: models.GPT(V, 6, heads=2, layers=2, **small), None),
        "seq2seq": (lambda: models.Seq2Seq(5, V, hidden=6, **small), word),
        "blind": (
            lambda: models.Seq2Seq(5, V, hidden=6, attention=False, **small),
            word,
        ),
        "captioner": (lambda: models.Captioner(V, hidden=6, **eye), image),
        "teller": (
            lambda: models.Captioner(V, hidden=6, attention=False, **eye),
            image,
        ),
        "transformer": (lambda: models.TransformerCaptioner(V, heads=2, **eye), image),
    }


def talker(name):
    make, seen = talkers()[name]
    model = make().eval()
    for p in model.parameters():
        p.data *= 1.5  # livelier than at the start, so that tokens differ
    return model, None if seen is None else model.start(seen)


NAMES = list(talkers())
PROMPT = np.array([[1], [2]])


class Table:
    """p(next | last token), from a table of scores: a model without any network."""

    def __init__(self, scores):
        self.scores = np.asarray(scores, float)

    def read(self, tokens, state=None):
        return self.scores[tokens[:, -1]], state

    def select(self, state, rows):
        return state


def log_p(model, prompt, tokens, end=None):
    """The score of some tokens after a prompt (T,), added up one by one."""
    total, given = 0.0, list(prompt)
    for token in tokens:
        scores = model.read(np.array([given]))[0]
        total += np.log(probabilities(scores))[0, token]
        given.append(token)
        if token == end:
            break
    return total


# ------------------------------------------------------------------- one token


def test_greedy_takes_the_best(rng):
    scores = rng.normal(size=(5, V))
    assert greedy(scores).tolist() == scores.argmax(axis=1).tolist()


def test_probabilities_without_settings_are_softmax(rng):
    scores = rng.normal(size=(5, V))
    np.testing.assert_allclose(probabilities(scores), ops.softmax(scores, axis=1))
    hot = probabilities(scores, temperature=2.0)
    np.testing.assert_allclose(hot, ops.softmax(scores / 2, axis=1))


@pytest.mark.parametrize("k", [1, 2, 5, V, V + 3])
def test_top_k_leaves_the_k_best(rng, k):
    scores = rng.normal(size=(20, V))
    p = probabilities(scores, top_k=k)
    for row, s in zip(p, scores, strict=True):
        assert set(np.flatnonzero(row)) == set(np.argsort(-s)[:k])
    np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.mark.parametrize("top_p", [1e-9, 0.3, 0.7, 0.95, 1.0])
def test_top_p_leaves_the_fewest_that_reach_it(rng, top_p):
    full = ops.softmax(rng.normal(size=(20, V)) * 2, axis=1)
    p = probabilities(np.log(full), top_p=top_p)
    for row, q in zip(p, full, strict=True):
        kept, best = np.flatnonzero(row), sorted(q, reverse=True)
        fewest = next(
            i for i in range(1, V + 1) if i == V or sum(best[:i]) >= top_p - 1e-12
        )
        assert sorted(q[kept], reverse=True) == pytest.approx(best[:fewest])
        np.testing.assert_allclose(row[kept], q[kept] / q[kept].sum())


def test_top_k_of_equals_leaves_exactly_k():
    assert (probabilities(np.zeros((1, V)), top_k=3) > 0).sum() == 3


def test_sampler_never_leaves_the_chosen_and_follows_p(rng):
    scores = np.repeat(rng.normal(size=(1, V)), 20000, axis=0)
    settings = {"temperature": 1.3, "top_k": 5, "top_p": 0.8}
    p = probabilities(scores[:1], **settings)[0]
    assert 1 < (p > 0).sum() < 5
    drawn = Sampler(**settings, rng=0)(scores)
    share = np.bincount(drawn, minlength=V) / len(drawn)
    assert not share[p == 0].any()
    np.testing.assert_allclose(share, p, atol=0.015)


def test_scores_of_minus_infinity_are_never_drawn():
    scores = np.full((500, V), -np.inf)
    scores[:, [2, 4]] = 0
    assert set(Sampler(5.0, rng=0)(scores)) == {2, 4}


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}]
)
def test_settings_without_meaning_are_refused(wrong):
    with pytest.raises(RangeError):
        probabilities(np.zeros((1, V)), **wrong)


def test_scores_that_cannot_be_chosen_from_are_refused():
    with pytest.raises(NonFiniteError):
        greedy(np.full((1, V), np.nan))
    with pytest.raises(ShapeError, match="scores\\[:, -1\\]"):
        greedy(np.zeros((1, 3, V)))


# ----------------------------------------------------------------- many tokens


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["greedy", "sampled"])
def test_cached_generation_writes_the_same(name, kind):
    model, state = talker(name)
    written = [
        generate(
            model,
            PROMPT,
            16,
            choose=greedy if kind == "greedy" else Sampler(rng=8),
            state=state,
            cache=cache,
        )
        for cache in (True, False)
    ]
    assert written[0].shape == (2, 16)
    assert written[0].tolist() == written[1].tolist()
    assert kind == "greedy" or len(set(written[0].ravel())) > 2


def test_after_the_end_there_is_only_the_end():
    steps = np.full((4, 4), -9.0)
    steps[1, 2] = steps[2, 0] = steps[3, 1] = 9  # 3 → 1 → 2 → 0, the end
    written = generate(Table(steps), np.array([[3], [2]]), 9, end=0)
    assert written.tolist() == [[1, 2, 0], [0, 0, 0]]


def test_generation_drops_nothing_and_leaves_the_modes_as_they_were():
    model, _ = talker("gpt")
    calm = generate(model, PROMPT, 16, choose=Sampler(rng=0))
    model.train().blocks.eval()
    before = [m.training for m in model.modules()]
    written = generate(model, PROMPT, 16, choose=Sampler(rng=0))
    assert written.tolist() == calm.tolist()
    assert [m.training for m in model.modules()] == before
    assert len(set(before)) == 2


@pytest.mark.parametrize("give", [generate, beam_search])
def test_prompts_that_do_not_fit_are_refused(give):
    model = Table(np.zeros((V, V)))
    with pytest.raises(ShapeError, match="prompt\\[None\\]"):
        give(model, np.array([1, 2]), 3)
    with pytest.raises(ShapeError):
        give(model, np.zeros((1, 0), int), 3)
    with pytest.raises(DTypeError):
        give(model, np.zeros((1, 2)), 3)
    with pytest.raises(RangeError):
        give(model, PROMPT, -1)


# ----------------------------------------------------------------- beam search


def test_one_beam_is_greedy():
    for seed in range(10):
        model = Table(np.random.default_rng(seed).normal(size=(V, V)))
        path = generate(model, PROMPT, 6, end=0)
        found = beam_search(model, PROMPT, 6, beams=1, end=0)
        assert found.tokens[:, 0].tolist() == path.tolist()


def test_beams_score_what_they_say_and_no_worse_than_greedy():
    for seed in range(10):
        model = Table(2 * np.random.default_rng(seed).normal(size=(V, V)))
        found = beam_search(model, PROMPT, 5, beams=4, end=0)
        path = generate(model, PROMPT, 5, end=0)
        for n in range(2):
            for row, score in zip(found.tokens[n], found.scores[n], strict=True):
                assert log_p(model, PROMPT[n], row, 0) == pytest.approx(score)
            assert len({tuple(row) for row in found.tokens[n]}) == 4
            assert found.scores[n, 0] >= log_p(model, PROMPT[n], path[n], 0) - 1e-9
            assert (np.diff(found.scores[n]) <= 0).all()


def test_a_wide_beam_finds_the_best_of_all():
    model = Table(2 * np.random.default_rng(1).normal(size=(4, 4)))
    ways = list(itertools.product(range(4), repeat=3))
    best = max(ways, key=lambda w: log_p(model, [1], w))
    found = beam_search(model, np.array([[1]]), 3, beams=16)
    assert tuple(found.tokens[0, 0]) == best


def test_beam_search_sees_further_than_greedy():
    scores = np.log([[1e-9, 0.6, 0.4], [1 / 3] * 3, [1e-9, 1e-9, 1]])
    model, prompt = Table(scores), np.array([[0]])
    assert generate(model, prompt, 2)[0, 0] == 1
    assert beam_search(model, prompt, 2, beams=2).tokens[0, 0].tolist() == [2, 2]


def test_alpha_favors_the_longer():
    scores = np.log([[1.0, 1e-9, 1e-9], [0.5, 1e-9, 0.5], [0.9, 0.05, 0.05]])
    model, prompt = Table(scores), np.array([[1]])
    short = beam_search(model, prompt, 4, beams=3, end=0)
    long = beam_search(model, prompt, 4, beams=3, end=0, alpha=3.0)
    assert short.tokens[0, 0].tolist()[:2] == [0, 0]
    assert long.tokens[0, 0, 0] == 2


@pytest.mark.parametrize("name", NAMES)
@no_grad()
def test_beams_of_every_model_keep_their_own_state(name):
    model, state = talker(name)
    found = beam_search(model, PROMPT, 9, beams=3, end=0, state=state)
    model, fresh = talker(name)  # a state is used up
    for n in range(2):
        for row, score in zip(found.tokens[n], found.scores[n], strict=True):
            total, given = 0.0, PROMPT.copy()
            for token in row:  # the other row comes along unread
                p = probabilities(model.read(given, fresh)[0])[n, token]
                total += np.log(p)
                given = np.concatenate([given, [[token], [token]]], axis=1)
                if token == 0:
                    break
            assert total == pytest.approx(score, abs=1e-4)


def test_more_beams_than_ways_score_minus_infinity():
    found = beam_search(Table(np.zeros((2, 2))), np.array([[0]]), 1, beams=3)
    assert found.scores[0].tolist()[2] == -np.inf


def test_no_beam_is_refused():
    with pytest.raises(RangeError, match="1 is greedy"):
        beam_search(Table(np.zeros((2, 2))), PROMPT, 3, beams=0)
