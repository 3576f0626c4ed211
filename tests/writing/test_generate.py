"""Writing, against `transformers.generate` with the same weights, prefix and input."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from prefix_core.errors import InputError
from prefix_core.methods import prompt
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.studies.evaluate import evaluate
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding, Request, stream, write
from prefix_core.writing.search import Row
from tests.model.test_packed_batch import filled_cache, loud_prefixes

TOKENS = 16


@pytest.fixture
def raw(e2e: Task) -> Task:
    """The task without its stop rule: everything the model writes counts."""
    return replace(e2e, finish=lambda text: text, max_new_tokens=TOKENS)


def requests(base: Base, task: Task) -> list[Request]:
    sources = [example.source for example in task.pool()[:3]]
    return [
        Request(Steered("prefix", base.writer, prefix), task, source)
        for prefix in loud_prefixes(base)
        for source in sources
    ]


def by_transformers(base: Base, request: Request, **options) -> str:
    prefix = request.steered.prefix
    start = [] if prefix else [base.end]
    tokens = start + base.encode(request.task.prompt(request.source))
    cache = filled_cache(prefix)
    if prefix and options.get("num_beams", 1) > 1:
        cache.batch_repeat_interleave(options["num_beams"])
    out = base.model.generate(
        torch.tensor([tokens]),
        attention_mask=torch.ones(1, len(tokens) + (prefix.length if prefix else 0), dtype=torch.long),
        past_key_values=cache,
        max_new_tokens=TOKENS,
        do_sample=False,
        pad_token_id=base.end,
        **options,
    )
    return base.decode(out[0, len(tokens) :].tolist()).removesuffix("�")


@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (5, 1.0), (4, 0.8), (3, 2.0)])
def test_a_mixed_batch_writes_what_transformers_writes_for_each(
    tiny: Base, raw: Task, beams: int, penalty: float
) -> None:
    wanted = requests(tiny, raw)
    options = {} if beams == 1 else {"num_beams": beams, "length_penalty": penalty}
    ours = write(tiny, wanted, Decoding(beams=beams, length_penalty=penalty), together=5)
    assert ours == [by_transformers(tiny, request, **options) for request in wanted]
    assert len(set(ours)) > len(ours) // 2  # the prefixes and the inputs matter


def test_beam_search_finishes_as_transformers_does_when_texts_end_early(tiny_folder, raw: Task) -> None:
    from prefix_core.model.loading import load_base

    base = load_base(str(tiny_folder))
    with torch.no_grad():  # an end token likely enough that many hypotheses finish
        tokens = base.tensors["transformer.wte.weight"]
        tokens[base.end] += tokens[torch.randperm(len(tokens))[:80]].mean(0)
    wanted = requests(base, raw)
    for beams, penalty in ((3, 1.0), (5, 0.2)):
        ours = write(base, wanted, Decoding(beams=beams, length_penalty=penalty))
        assert ours == [by_transformers(base, request, num_beams=beams, length_penalty=penalty) for request in wanted]


def test_streams_grow_and_say_what_they_cost(tiny: Base, raw: Task) -> None:
    wanted = requests(tiny, raw)[:4]
    seen: dict[int, list] = {}
    for event in stream(tiny, wanted):
        seen.setdefault(event.pane, []).append(event)
    assert sorted(seen) == [0, 1, 2, 3]
    for pane, events in seen.items():
        assert [event.tokens for event in events[:3]] == [1, 2, 3]
        assert all(later.text.startswith(event.text) for event, later in pairwise(events))
        assert events[-1].finished and not any(event.finished for event in events[:-1])
        assert events[-1].shared == 4 and events[-1].milliseconds > 0
        assert events[-1].text == write(tiny, [wanted[pane]])[0]


def test_prompts_share_the_batch_and_own_weights_take_turns_with_it(tiny: Base, raw: Task) -> None:
    source = raw.pool()[0].source
    norm = tiny.network.norm
    other = Steered("fine_tune", tiny.network._replace(norm=norm._replace(bias=norm.bias + 1)))
    wanted = [
        Request(steered, raw, source)
        for steered in (
            Steered("prefix", tiny.writer, loud_prefixes(tiny)[0]),
            prompt.steer(tiny, raw),
            prompt.steer(tiny, raw, shots=2),
            other,
        )
    ]
    events = list(stream(tiny, wanted))
    last = {event.pane: event for event in events}
    assert [last[pane].shared for pane in range(4)] == [3, 3, 3, 1]
    assert {event.pane for event in events[:4]} == {0, 1, 2, 3}  # nobody waits for anybody's end


def test_sampling_is_repeatable_and_independent_of_the_batch(tiny: Base, raw: Task) -> None:
    wanted = requests(tiny, raw)[:3]
    decoding = Decoding(temperature=1.0, top_p=0.9, seed=7)
    together = write(tiny, wanted, decoding)
    assert together == write(tiny, wanted, decoding)
    assert together[0] == write(tiny, wanted[:1], decoding)[0]
    assert together != write(tiny, wanted, replace(decoding, seed=8))


def test_nucleus_of_almost_nothing_is_greedy(tiny: Base, raw: Task) -> None:
    wanted = requests(tiny, raw)
    assert write(tiny, wanted, Decoding(temperature=1.0, top_p=1e-50)) == write(tiny, wanted)


def test_stops_between_tokens(tiny: Base, raw: Task) -> None:
    asked = []
    events = list(stream(tiny, requests(tiny, raw)[:1], should_stop=lambda: asked.append(1) or len(asked) > 3))
    assert len(events) == 3 and not events[-1].finished


def test_the_stop_rule_of_the_task_ends_a_row(tiny: Base, raw: Task) -> None:
    request = requests(tiny, raw)[0]
    whole = write(tiny, [request])[0]
    mark = whole[len(whole) // 2]
    cut = replace(raw, finish=lambda text: text.split(mark)[0])
    events = list(stream(tiny, [Request(request.steered, cut, request.source)]))
    assert events[-1].text == whole.split(mark)[0]
    assert events[-1].finished and events[-1].tokens < TOKENS


def test_too_long_inputs_are_refused_in_their_own_pane_or_cut_and_said(tiny: Base, raw: Task) -> None:
    short, long = raw.pool()[0].source, (("name", "very " * 400),)
    steered = Steered("prefix", tiny.writer, loud_prefixes(tiny)[0])
    wanted = [Request(steered, raw, long), Request(steered, raw, short)]
    last = {event.pane: event for event in stream(tiny, wanted)}
    assert "shorten" in last[0].error and last[1].text == write(tiny, wanted[1:])[0]
    with pytest.raises(InputError, match="prefix takes 5"):
        write(tiny, wanted)
    last = {event.pane: event for event in stream(tiny, wanted, Decoding(too_long="cut"))}
    assert last[0].cut > 0 and last[0].tokens > 0 and last[1].cut == 0
    scores, _ = evaluate(
        tiny, raw, steered, [replace(raw.pool()[0], source=long), raw.pool()[1]], Decoding(too_long="cut")
    )
    assert (scores["cut"], scores["inputs"]) == (1, 2)


@pytest.mark.parametrize(
    "bad",
    [
        {"beams": 0},
        {"beams": 1000},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": 1e-42},
        {"top_p": 0.0},
        {"beams": 2, "temperature": 1.0},
        {"max_new_tokens": 0},
        {"length_penalty": 3000.0},
        {"seed": 10**15},
    ],
)
def test_senseless_decoding_is_refused(bad: dict) -> None:
    with pytest.raises(InputError):
        Decoding(**bad)


def test_a_line_break_before_the_first_word_does_not_end_a_row(tiny: Base) -> None:
    row = Row([1], None, limit=10, stops=frozenset({7}), network=tiny.writer)
    for token in (7, 7, 3, 4):
        row.take(token, ends={0})
    assert not row.done
    row.take(7, ends={0})
    assert row.done and row.written == [7, 7, 3, 4]


def test_few_shot_prompts_have_as_many_examples_as_there_are(tiny: Base, raw: Task) -> None:
    for shots in (-1, 1000):
        with pytest.raises(InputError, match=f"0 to {len(raw.pool())} "):
            prompt.steer(tiny, raw, shots)
