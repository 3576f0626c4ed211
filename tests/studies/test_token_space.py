"""Tokens and prefixes in one space, against transformers' own cache, numpy and brute force."""

import csv
import io
import json

import numpy as np
import pytest
import torch

from prefix_core.errors import InputError
from prefix_core.methods.prefix import History, history_of, start_of
from prefix_core.methods.settings import Settings
from prefix_core.methods.start import random_start, start_words
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.studies.token_space import (
    NEIGHBOURS,
    PLACES,
    Space,
    altered,
    average_keys_values,
    frequent_tokens,
    prefix_vectors,
    project,
    readable,
)  # fmt: skip
from prefix_core.studies.view import View, from_fields, to_csv, to_fields
from tests.architectures import make_bases

SIZE = 120


@pytest.fixture(scope="module")
def space(tiny: Base) -> Space:
    return Space(tiny, SIZE)


@pytest.fixture(scope="module")
def prefixes(tiny: Base) -> dict[str, Prefix]:
    generator = torch.Generator().manual_seed(1)
    return {name: Prefix(*(30 * random_start(tiny.shape, length, generator))) for name, length in (("a", 7), ("b", 3))}


def by_svd(fitted: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of `vectors` and shares of variance, from the singular vectors of what is fitted."""
    centre = fitted.mean(0)
    _, sizes, directions = np.linalg.svd(fitted - centre, full_matrices=False)
    return (vectors - centre) @ directions[:3].T, (sizes**2 / (sizes**2).sum())[:3]


def test_keys_and_values_are_those_that_transformers_caches(tiny: Base) -> None:
    rows = [[0, 5, 6, 7, 5], [0, 7, 5], [0, 8]]
    found = average_keys_values(tiny, rows, [5, 7, 8, 9])
    places = {5: [(0, 1), (0, 4), (1, 2)], 7: [(0, 3), (1, 1)], 8: [(2, 1)]}
    caches = [tiny.model(torch.tensor([row])).past_key_values for row in rows]
    for part, name in enumerate(("keys", "values")):
        for layer in range(tiny.shape.layers):
            whole = [getattr(cache.layers[layer], name)[0].transpose(0, 1).flatten(1) for cache in caches]
            for token, where in enumerate(places.values()):
                mean = torch.stack([whole[row][place] for row, place in where]).mean(0)
                torch.testing.assert_close(found[part, layer, token], mean, atol=1e-4, rtol=1e-4)
    assert not found[:, :, 3].any()  # a token that stands nowhere


def test_bare_embeddings_go_through_the_first_layers_projection(tiny: Base, space: Space) -> None:
    block = tiny.model.transformer.h[0]
    projected = block.attn.c_attn(block.ln_1(tiny.model.transformer.wte.weight[[5, 9]]))
    _, keys, values = projected.split(tiny.shape.hidden, dim=1)
    torch.testing.assert_close(project(tiny, [5, 9]), torch.stack([keys, values]))
    np.testing.assert_array_equal(space.vectors(0, "values", bare=True), project(tiny, space.ids)[1].numpy())


def test_the_tokens_are_readable_and_the_most_frequent_first(tiny: Base, space: Space) -> None:
    assert len(space.ids) == len(set(space.ids)) == SIZE == len(space.texts)
    assert all(readable(text) for text in space.texts)
    assert space.texts[0] in (" a", "e", " |", " :", "t", "o", "a")  # what our examples are full of
    assert tiny.decode(frequent_tokens(tiny, [tiny.encode("a pub pub pub riverside")], 10)[:1]) == " pub"
    everything = Space(tiny, 10_000)
    assert len(everything.ids) < tiny.shape.vocabulary and everything.from_text < len(everything.ids)
    assert torch.isfinite(everything.averages).all() and (everything.averages != 0).any(-1).all()


@pytest.mark.parametrize(("text", "wanted"), [(" the", True), ("£", True), (" ", False), ("\n", False), ("�", False)])
def test_readable(text: str, wanted: bool) -> None:
    assert readable(text) is wanted


def test_missing_tokens_are_put_among_other_words() -> None:
    text = [[1] * 20, [2] * 3, [3] * 7]
    missing = list(range(100, 120))
    rows = altered(text, missing)
    assert {len(row) for row in rows} == {20, 7}  # the short one leaves no room
    assert sorted(token for row in rows for token in row if token >= 100) == sorted(missing * PLACES)
    assert all(sum(token >= 100 for token in row) <= len(row) / 6 for row in rows)
    assert text == [[1] * 20, [2] * 3, [3] * 7] and altered(text, []) == []


@pytest.mark.parametrize("fit", ["tokens", "prefixes", "both"])
@pytest.mark.parametrize("part", ["keys", "values"])
def test_points_are_those_of_an_svd_of_what_was_fitted(space: Space, prefixes, fit: str, part: str) -> None:
    view = space.view(prefixes, 1, part, fit)  # type: ignore[arg-type]
    tokens = space.vectors(1, part)  # type: ignore[arg-type]
    learned = {name: getattr(prefix, part)[1].flatten(1).numpy() for name, prefix in prefixes.items()}
    sets = {"tokens": [tokens], "prefixes": [*learned.values()], "both": [tokens, *learned.values()]}
    for points, vectors in ((view.tokens, tokens), *((view.prefixes[name], learned[name]) for name in learned)):
        wanted, variance = by_svd(np.concatenate(sets[fit]), vectors)
        signs = np.sign((points * wanted).sum(0))
        np.testing.assert_allclose(points, wanted * signs, atol=1e-3)
        np.testing.assert_allclose(view.variance, variance, rtol=1e-4)


def test_nearest_tokens_are_measured_in_the_layers_own_space(space: Space, prefixes) -> None:
    view = space.view(prefixes, 0, "keys")
    tokens = space.vectors(0, "keys")
    for name, prefix in prefixes.items():
        vectors = prefix.keys[0].flatten(1).numpy()
        distances = np.linalg.norm(vectors[:, None] - tokens[None], axis=-1)
        for row, found in zip(distances, view.nearest[name], strict=True):
            assert len(found) == NEIGHBOURS
            np.testing.assert_allclose([near.distance for near in found], np.sort(row)[:NEIGHBOURS], rtol=1e-4)
            np.testing.assert_allclose(
                [row[near.token] for near in found], [near.distance for near in found], rtol=1e-4
            )
    between = np.linalg.norm(tokens[:, None] - tokens[None], axis=-1) + np.diag([np.inf] * SIZE)
    assert view.typical == pytest.approx(np.median(between.min(0)), rel=1e-3)


def test_a_prefix_made_of_tokens_lies_on_them(tiny: Base, space: Space) -> None:
    heads = (tiny.shape.layers, 3, tiny.shape.kv_heads, tiny.shape.head_dim)
    keys, values = space.averages[:, :, [4, 2, 9]].view(2, *heads)
    view = space.view({"words": Prefix(keys, values)}, 1, "values")
    assert [near[0].token for near in view.nearest["words"]] == [4, 2, 9]
    assert all(near[0].distance < 1e-2 < near[1].distance for near in view.nearest["words"])
    np.testing.assert_allclose(view.prefixes["words"], view.tokens[[4, 2, 9]], atol=1e-4)


def test_keys_are_compared_before_rotation(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a rotary base the first layer's keys are those of the bare embeddings then, wherever a token stands."""
    base = make_bases(tmp_path_factory.mktemp, ["llama"])["llama"]
    tokens = [5, 9, 6]
    found = average_keys_values(base, [[0, 5, 9, 6, 7, 9], [0, 3, 4, 6, 5]], tokens)
    torch.testing.assert_close(found[:, 0], project(base, tokens), atol=1e-4, rtol=1e-4)
    start = start_of(base, Settings(prefix_length=6, mlp_width=None, initial_words="the place is near"))
    words = [*base.before, *base.encode("the place is near") * 6][:6]
    keys, values = project(base, words)
    np.testing.assert_allclose(prefix_vectors(base.network, start, 0, "keys"), keys.numpy(), atol=1e-4)
    np.testing.assert_allclose(prefix_vectors(base.network, start, 0, "values"), values.numpy(), atol=1e-4)


def test_a_prefix_says_what_it_began_as_and_how_far_it_came(tiny: Base, space: Space) -> None:
    settings = Settings(prefix_length=4, mlp_width=None, initial_words="the pub")
    start = start_of(tiny, settings)
    learned = Prefix(start.keys + 3, start.values)
    halfway = Prefix(start.keys + 1, start.values)
    history = history_of(tiny, learned, vars(settings), 8, [(0, start), (4, halfway), (8, learned), (12, start)])
    assert [step for step, _ in history.steps] == [0, 4, 8] and history.whole
    view = space.view({"a": learned}, 1, "keys", histories={"a": history})
    way = view.ways["a"]
    assert list(way.words) == start_words(tiny, settings) and way.words[0] == "<|endoftext|>"
    assert way.moved == pytest.approx([3 * view.dimensions**0.5] * 4, rel=1e-4)
    np.testing.assert_allclose(way.steps[-1][1], view.prefixes["a"], atol=1e-4)
    np.testing.assert_allclose(2 * way.steps[0][1] + way.steps[2][1], 3 * way.steps[1][1], atol=1e-3)  # a third on
    assert space.view({"a": learned}, 1, "values", histories={"a": history}).ways["a"].moved == (0,) * 4


def test_a_prefix_that_began_as_rows_says_so(tiny: Base) -> None:
    settings = Settings(mlp_width=None, initial_words="the pub", demonstrations=("name : A\nA is a pub.",))
    words, start = start_words(tiny, settings), start_of(tiny, settings)
    assert len(words) == start.length and "A is a pub." in "".join(words)


def test_a_history_needs_a_card_or_a_noted_start(tiny: Base, prefixes) -> None:
    prefix = prefixes["a"]
    noted = history_of(tiny, prefix, {}, 2, [(0, prefixes["b"]), (2, prefix)])
    assert noted == History((), ((0, prefixes["b"]), (2, prefix)))
    with pytest.raises(InputError, match="came without a card"):
        history_of(tiny, prefix, {}, 2)
    with pytest.raises(InputError, match="not those of a training here"):
        history_of(tiny, prefix, {"colour": "red"}, 2)
    assert history_of(tiny, prefix, {"prefix_length": 7, "mlp_width": None}, 2).words == ()  # a random start


def test_a_view_is_kept_as_json(space: Space, prefixes) -> None:
    histories = {"a": History(("x",) * 7, ((0, prefixes["a"]), (3, prefixes["a"])))}
    view = space.view(prefixes, 1, "values", histories=histories)
    read_back: View = from_fields(json.loads(json.dumps(to_fields(view))))
    assert (read_back.texts, read_back.layer, read_back.part) == (view.texts, 1, "values")
    np.testing.assert_allclose(read_back.prefixes["a"], view.prefixes["a"], atol=1e-4)
    np.testing.assert_allclose(read_back.ways["a"].steps[0][1], view.ways["a"].steps[0][1], atol=1e-4)
    assert [near.token for near in read_back.near[5]] == [near.token for near in view.near[5]]
    assert to_fields(read_back) == to_fields(view)


def test_each_token_knows_its_own_neighbours(space: Space) -> None:
    view, tokens = space.view({}, 1), space.vectors(1, "keys")
    distances = np.linalg.norm(tokens[7] - tokens, axis=1)
    order = [place for place in np.argsort(distances) if place != 7][:NEIGHBOURS]
    np.testing.assert_allclose([near.distance for near in view.near[7]], distances[order], rtol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layer": 2}, "There is no layer 3; this base has layers 1 to 2."),
        ({"layer": -1}, "There is no layer 0"),
        ({"part": "queries"}, "'queries' cannot be shown"),
        ({"fit": "words"}, "There is no fit on 'words'"),
        ({"layer": 1, "bare": True}, "choose layer 1"),
        ({"fit": "prefixes"}, "The chosen prefixes have 3 vectors together"),
    ],
)
def test_choices_that_cannot_be_shown_are_explained(space: Space, prefixes, wrong, message: str) -> None:
    with pytest.raises(InputError, match=message):
        space.view({"b": prefixes["b"]}, **({"layer": 0} | wrong))


def test_no_prefix_at_all_still_shows_the_tokens(space: Space) -> None:
    assert space.view({}, 0).tokens.shape == (SIZE, 3)
    with pytest.raises(InputError, match="0 vectors"):
        space.view({}, 0, fit="prefixes")


def test_csv_has_every_point_and_reads_back(space: Space, prefixes) -> None:
    view = space.view(prefixes, 0)
    head, *rows = csv.reader(io.StringIO(to_csv(view)))
    assert head == ["kind", "name", "number", "token", "x", "y", "z", "nearest", "distance"]
    assert [row[3] for row in rows[:SIZE]] == space.texts
    assert [(row[0], row[1], row[2]) for row in rows[SIZE:]] == [
        *(("prefix", "a", str(number)) for number in range(1, 8)),
        *(("prefix", "b", str(number)) for number in range(1, 4)),
    ]
    read_back = np.array([[float(cell) for cell in row[4:7]] for row in rows])
    np.testing.assert_allclose(read_back, np.concatenate([view.tokens, *view.prefixes.values()]), rtol=1e-3)
    assert rows[SIZE][7] == view.texts[view.nearest["a"][0][0].token]
