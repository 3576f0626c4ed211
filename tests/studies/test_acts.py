"""Where a prefix acts, against attention and probabilities written out, and against an untrained prefix."""

from dataclasses import replace

import pytest
import torch

from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.methods.prefix import start_of
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.studies.acts import Acts, spelled, to_json, where_it_acts
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Request
from tests.model.test_packed_batch import filled_cache, loud_prefixes

TEXT = "The Copper Kettle is a coffee shop."
SETTINGS = Settings(prefix_length=5, mlp_width=None, initial_words="describe the place")


@pytest.fixture(scope="module")
def start(tiny: Base) -> Prefix:
    return start_of(tiny, SETTINGS)


def acted(base: Base, task: Task, prefix: Prefix, start: Prefix) -> Acts:
    return where_it_acts(
        base, Request(Steered("prefix", base.writer, prefix), task, task.pool()[0].source), TEXT, start
    )


def test_an_untrained_prefix_gains_nothing(tiny: Base, e2e: Task, start: Prefix) -> None:
    acts = acted(tiny, e2e, start, start)
    assert acts.gained.abs().max() == 0 and acts.start.max() > 0.05
    assert acts.divergence.max() > 0  # its words change the text all the same


def test_shares_and_probabilities_are_those_of_transformers(tiny: Base, e2e: Task, start: Prefix) -> None:
    learned = loud_prefixes(tiny)[0]
    assert learned is not None
    acts = acted(tiny, e2e, learned, start)
    source = tiny.encode(e2e.prompt(e2e.pool()[0].source))
    tokens = torch.tensor([source + tiny.encode(TEXT)])
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny.name, attn_implementation="eager")
    found = []
    for prefix in (learned, start):
        with torch.no_grad():
            out = model(
                tokens,
                past_key_values=filled_cache(prefix),
                attention_mask=torch.ones(1, 5 + tokens.shape[1]),
                position_ids=torch.arange(5, 5 + tokens.shape[1])[None],
                output_attentions=True,
            )
        by_layer = [layer[0, :, len(source) - 1 :, :5].permute(1, 2, 0) for layer in out.attentions]
        found.append((torch.stack(by_layer, 2), out.logits[0, len(source) - 1 :].softmax(-1)))
    (theirs, chances), (of_start, _) = found
    torch.testing.assert_close(acts.gained, theirs - of_start, rtol=1e-4, atol=1e-5)
    best, ids = chances.topk(5)
    assert [next_.token for next_ in acts.likeliest[3]] == [tiny.decode([token]) for token in ids[3].tolist()]
    assert [next_.probability for next_ in acts.likeliest[3]] == pytest.approx(best[3].tolist(), rel=1e-3)
    hidden = learned.acting(0.0)
    states = forward(tiny, tiny.network, [source], [[tiny.encode(TEXT)]], [hidden])[1]
    without = tiny.network.logits(states).softmax(-1)
    divergence = (chances * (chances / without).log()).sum(-1)
    torch.testing.assert_close(acts.divergence, divergence, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(acts.share + acts.sink, acts.gained.sum(1))


def test_as_json_there_is_a_place_for_each_token_and_one_behind(tiny: Base, e2e: Task, start: Prefix) -> None:
    learned = loud_prefixes(tiny)[0]
    assert learned is not None
    places = to_json(acted(tiny, e2e, learned, start))
    assert "".join(str(place["token"]) for place in places[:-1]) == TEXT and places[-1]["token"] is None
    assert all(len(place["next"]) == len(place["next_without"]) == 5 for place in places)
    assert all({best["vector"] for best in place["vectors"]} <= {1, 2, 3, 4, 5} for place in places)


def test_tokens_are_spelled_as_they_stand_in_their_text(tiny: Base) -> None:
    text = "Café £5 – naïve�"
    tokens = tiny.encode(text)
    pieces = spelled(tiny, tokens)
    assert len(pieces) == len(tokens) and "".join(pieces) == text and pieces.count("é") == 1


def test_heads_are_told_apart_and_their_mean_is_the_layers(tiny: Base, e2e: Task, start: Prefix) -> None:
    learned = loud_prefixes(tiny)[0]
    assert learned is not None
    acts = acted(tiny, e2e, learned, start)
    for whole, heads in zip(to_json(acts), to_json(acts, by_head=True), strict=True):
        assert [len(layer) for layer in heads["share"]] == [4, 4]
        for part in ("share", "sink"):
            assert whole[part] == pytest.approx([sum(layer) / 4 for layer in heads[part]], abs=1e-3)
    gained = acts.gained[2].mean((1, 2))
    best = to_json(acts)[2]["vectors"][0]
    assert (best["vector"], best["gained"]) == (int(gained.argmax()) + 1, pytest.approx(float(gained.max()), abs=1e-4))


def test_what_cannot_be_seen_is_refused(tiny: Base, e2e: Task, start: Prefix) -> None:
    source = e2e.pool()[0].source
    request = Request(Steered("prefix", tiny.writer, start), e2e, source)
    with pytest.raises(InputError, match="adapter has no learned prefix"):
        where_it_acts(tiny, replace(request, steered=Steered("adapter", tiny.writer)), TEXT, start)
    with pytest.raises(InputError, match="text is empty"):
        where_it_acts(tiny, request, "", start)
    with pytest.raises(InputError, match="5 positions and its start 4"):
        where_it_acts(tiny, request, TEXT, start_of(tiny, replace(SETTINGS, prefix_length=4)))
