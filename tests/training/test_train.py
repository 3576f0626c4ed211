"""Training: every method learns; a run is repeatable, stops when asked, and goes on to the same end."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods import TRAINED
from prefix_core.methods.settings import TUNED, Settings
from prefix_core.model.base import Base
from prefix_core.model.prefix import stack
from prefix_core.tasks.task import Task
from prefix_core.training.batches import LONG, Batches, Pair, encode_pairs, in_parts
from prefix_core.training.loss import mean_loss
from prefix_core.training.train import TrainingEvent, schedule, train

STEPS = 12


def settings(method: str, **changes) -> Settings:
    return replace(TUNED[method], steps=STEPS, batch=4, prefix_length=6, mlp_width=16, **changes)


def run(base: Base, task: Task, method: str, **options) -> list[TrainingEvent]:
    pool = task.pool()
    chosen = options.pop("settings", settings(method))
    return list(train(base, task, method, pool[:20], chosen, pool[20:26], held_out_every=4, **options))


@pytest.mark.parametrize("method", TRAINED)
def test_every_method_learns_and_leaves_the_base_as_it_was(tiny: Base, e2e: Task, method: str) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.named_parameters()}
    events = run(tiny, e2e, method, settings=settings(method, learning_rate=TUNED[method].learning_rate * 3))
    result = events[-1].result
    assert result is not None and result.ended == "complete" and result.held_out_loss is not None
    first = next(event.held_out_loss for event in events if event.held_out_loss is not None)
    assert result.held_out_loss < first
    assert [event.step for event in events] == [*range(1, STEPS + 1), STEPS]
    assert all(torch.equal(before[name], tensor) for name, tensor in tiny.model.named_parameters())
    trained, kept = TRAINED[method].costs(tiny, settings(method))
    assert (result.steered.trained, result.steered.kept) == (trained, kept)
    assert sum(tensor.numel() for tensor in result.kept.values()) == kept


@pytest.mark.parametrize("method", TRAINED)
def test_the_same_seed_gives_the_same_run(tiny: Base, e2e: Task, method: str) -> None:
    losses = [[event.loss for event in run(tiny, e2e, method)] for _ in range(2)]
    assert losses[0] == losses[1]
    other = run(tiny, e2e, method, settings=settings(method, seed=5))
    assert [event.loss for event in other] != losses[0]


@pytest.mark.parametrize("method", TRAINED)
def test_a_stopped_run_goes_on_to_the_result_of_an_uninterrupted_one(
    tiny: Base, e2e: Task, method: str, tmp_path: Path
) -> None:
    whole = run(tiny, e2e, method)
    checkpoint = tmp_path / "run.safetensors"
    count = iter(range(100))
    first = run(tiny, e2e, method, checkpoint=checkpoint, should_stop=lambda: next(count) >= 7)
    assert first[-1].result is not None
    assert (first[-1].result.ended, first[-1].result.steps) == ("stopped", 7)
    rest = run(tiny, e2e, method, checkpoint=checkpoint)
    assert [event.loss for event in rest] == [event.loss for event in whole[7:]]
    assert rest[-1].result is not None and whole[-1].result is not None
    assert rest[-1].tokens == whole[-1].tokens
    for name, tensor in whole[-1].result.kept.items():
        assert torch.equal(tensor, rest[-1].result.kept[name])
    again = run(tiny, e2e, method, checkpoint=checkpoint)  # a finished run trains no more
    assert len(again) == 1 and again[0].result is not None and again[0].loss == whole[-1].loss


def test_a_checkpoint_of_another_run_is_refused(tiny: Base, e2e: Task, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    run(tiny, e2e, "prefix", checkpoint=checkpoint)
    with pytest.raises(InputError, match="another run"):
        run(tiny, e2e, "prefix", checkpoint=checkpoint, settings=settings("prefix", seed=1))


def test_the_best_held_out_parameters_are_kept(tiny: Base, e2e: Task) -> None:
    events = run(tiny, e2e, "fine_tune", settings=settings("fine_tune", learning_rate=0.5, clip=1e9))
    measured = {event.step: event.held_out_loss for event in events if event.held_out_loss is not None}
    result = events[-1].result
    assert result is not None and result.best_step == min(measured, key=lambda step: measured[step])


def test_patience_ends_a_run_that_gains_no_more(tiny: Base, e2e: Task) -> None:
    still = settings("fine_tune", learning_rate=1e-30, patience=1)  # too small a rate to move a weight
    result = run(tiny, e2e, "fine_tune", settings=still)[-1].result
    assert result is not None and result.ended == "no further gain" and result.steps < STEPS
    assert (result.best_step, result.steps) == (4, 8)


def test_samples_show_what_the_model_writes_for_held_out_inputs(tiny: Base, e2e: Task) -> None:
    shown = [event.samples for event in run(tiny, e2e, "prefix", samples=2) if event.samples]
    assert len(shown) == 4
    pool = e2e.pool()
    assert [source for source, _ in shown[0]] == [e2e.linearize(example.source) for example in pool[20:22]]


def test_the_loss_is_that_of_transformers_on_the_target_alone(tiny: Base, e2e: Task) -> None:
    pairs = encode_pairs(tiny, e2e, e2e.pool()[:3], 0, "refuse")
    adaptation = TRAINED["fine_tune"].start(tiny, settings("fine_tune"))
    total, count = 0.0, 0
    for pair in pairs:
        ids = torch.tensor([pair.source + pair.target])
        labels = torch.tensor([[-100] * len(pair.source) + pair.target])
        total += tiny.model(input_ids=ids, labels=labels).loss.item() * len(pair.target)
        count += len(pair.target)
    assert mean_loss(tiny, adaptation, pairs).item() == pytest.approx(total / count, rel=1e-5)


def test_the_gradient_is_that_of_peft(tiny_folder: Path, tiny: Base, e2e: Task) -> None:
    """The same prefix, trained directly: the same loss and the same gradient, token for token."""
    from peft import PrefixTuningConfig, TaskType, get_peft_model
    from transformers import AutoModelForCausalLM

    from prefix_core.artifacts.peft_format import to_peft

    direct = TRAINED["prefix"].start(tiny, replace(settings("prefix"), mlp_width=None))
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    model = get_peft_model(model, PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=6))
    weight = model.prompt_encoder["default"].embedding.weight
    start = direct.prefix()
    with torch.no_grad():
        weight.copy_(to_peft({"keys": start.keys, "values": start.values}))
    pair = encode_pairs(tiny, e2e, e2e.pool()[:1], 6, "refuse")[0]
    labels = torch.tensor([[-100] * len(pair.source) + pair.target])
    theirs = model(
        input_ids=torch.tensor([pair.source + pair.target]), attention_mask=torch.ones_like(labels), labels=labels
    ).loss
    theirs.backward()
    ours = mean_loss(tiny, direct, [pair])
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    keys, values = direct.encoder.added.grad / direct.encoder.units
    torch.testing.assert_close(to_peft({"keys": keys, "values": values}), weight.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", TRAINED)
def test_texts_that_share_an_input_cost_it_once_and_change_nothing(tiny: Base, method: str) -> None:
    batch = [Pair([5, 9, 30], [7, 8, 0]), Pair([44], [0]), Pair([5, 9, 30], [12, 0]), Pair([5, 9, 30], [0])]
    losses, gradients = [], []
    for groups in ([batch], [[pair] for pair in batch]):
        adaptation = TRAINED[method].start(tiny, settings(method))
        tokens = sum(len(pair.target) for pair in batch)
        loss = sum(mean_loss(tiny, adaptation, group) * sum(len(p.target) for p in group) for group in groups) / tokens
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in adaptation.parameters() if p.grad is not None]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert (gradients[0] - gradients[1]).abs().max() <= 1e-4 * gradients[1].abs().max()


def test_an_epoch_holds_every_text_once_with_those_of_an_input_side_by_side() -> None:
    pairs = [Pair([source], [text]) for source in range(5) for text in range(6)]
    batches = Batches(pairs, Settings(batch=6, together=3, seed=4))
    epochs = [[pair for step in range(5 * epoch, 5 * epoch + 5) for pair in batches.at(step)] for epoch in range(2)]
    for epoch in epochs:
        assert sorted((pair.source, pair.target) for pair in epoch) == [(p.source, p.target) for p in pairs]
        assert all(len({pair.source[0] for pair in epoch[start : start + 3]}) == 1 for start in range(0, 30, 3))
    assert epochs[0] != epochs[1]
    assert Batches(pairs, Settings(batch=6, together=3, seed=4)).at(7) == batches.at(7)
    alone = Batches(pairs, Settings(batch=30, together=1, seed=4)).at(0)
    assert len({pair.source[0] for pair in alone[:6]}) > 1


def test_a_long_batch_goes_in_parts_of_rows_of_similar_length() -> None:
    lengths = [900, 10, 880, 30, 870, 20, 890, 40]
    batch = [Pair([1] * length, [2, 3]) for length in lengths]
    parts = in_parts(batch)
    assert sorted(len(pair.source) for part in parts for pair in part) == sorted(lengths)
    assert len(parts) == -(-sum(len(pair.source) + len(pair.target) for pair in batch) // LONG)
    padded = sum(len(part) * max(len(pair.source) for pair in part) for part in parts)
    assert padded <= 1.1 * sum(lengths)
    assert in_parts(batch[1:2]) == [batch[1:2]] and in_parts([]) == []
    assert len(in_parts(batch, 20)) == len(batch)


def test_a_gradient_reaches_every_prefix_position_in_every_layer(tiny: Base, e2e: Task) -> None:
    adaptation = TRAINED["prefix"].start(tiny, replace(settings("prefix"), mlp_width=None))
    mean_loss(tiny, adaptation, encode_pairs(tiny, e2e, e2e.pool()[:4], 6, "refuse")).backward()
    assert (adaptation.encoder.added.grad.abs().amax((3, 4)) > 0).all()


def test_rows_that_share_a_prefix_share_its_memory(tiny: Base) -> None:
    prefix = TRAINED["prefix"].start(tiny, settings("prefix")).prefix()
    stacked = stack([prefix] * 5, tiny.shape, tiny.network.tokens)
    assert stacked.keys.stride(1) == 0 and stacked.keys.shape[1] == 5


def test_the_schedule_rises_then_falls_to_zero() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True) and 0 < rates[-1] < 0.02


def test_senseless_wishes_are_refused_with_what_to_do(tiny: Base, e2e: Task) -> None:
    with pytest.raises(InputError, match="no examples"):
        list(train(tiny, e2e, "prefix", [], settings("prefix")))
    with pytest.raises(InputError, match="nothing is trained"):
        list(train(tiny, e2e, "prompt", e2e.pool(), settings("prefix")))
    with pytest.raises(InputError, match="choose one of prefix, fine_tune"):
        list(train(tiny, e2e, "prefx", e2e.pool(), settings("prefix")))
    long = Example((("name", "very " * 400),), ("It is.",), id="row 9")
    with pytest.raises(InputError, match=r"example 1 \(row 9\) takes"):
        list(train(tiny, e2e, "prefix", [long], settings("prefix")))
    with pytest.raises(InputError, match="learning_rate"):
        Settings(learning_rate=0)


def test_a_stop_before_anything_was_measured_keeps_the_last_parameters_each_time(
    tiny: Base, e2e: Task, tmp_path: Path
) -> None:
    checkpoint, results = tmp_path / "run.safetensors", []
    for stop in (2, 1):
        count = iter(range(100))
        events = run(tiny, e2e, "prefix", checkpoint=checkpoint, should_stop=lambda c=count, s=stop: next(c) >= s)
        results.append(events[-1].result)
    assert [(result.steps, result.best_step) for result in results] == [(2, 2), (3, 3)]
    assert all(result.held_out_loss is None for result in results)
    assert not torch.equal(results[0].kept["keys"], results[1].kept["keys"])


def test_a_loss_that_is_no_number_ends_the_run_and_spoils_nothing(tiny: Base, e2e: Task) -> None:
    wild = settings("adapter", learning_rate=1e30, clip=1e30)
    result = run(tiny, e2e, "adapter", settings=wild)[-1].result
    assert result.ended == "diverged" and result.steps < STEPS
    assert all(tensor.isfinite().all() for tensor in result.kept.values())


def test_few_examples_are_gone_over_often_enough() -> None:
    assert TUNED["prefix"].steps_for(20) == 40 and TUNED["prefix"].steps_for(16_000) == 6000
    assert replace(TUNED["prefix"], steps=7).steps_for(16_000) == 7
    assert Settings(epochs=3, batch=16).steps_for(10) == 3


@pytest.mark.parametrize("method", TRAINED)
def test_a_half_precision_base_is_trained_in_full_precision(tiny: Base, e2e: Task, method: str) -> None:
    import dataclasses

    half = dataclasses.replace(tiny, dtype=torch.bfloat16)
    adaptation = TRAINED[method].start(half, settings(method))
    assert all(parameter.dtype == torch.float32 for parameter in adaptation.parameters())
    loss = mean_loss(half, adaptation, encode_pairs(half, e2e, e2e.pool()[:2], adaptation.prefix_length))
    loss.backward()
    assert all(parameter.grad is not None for parameter in adaptation.parameters())


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": float("inf")},
        {"seed": 10**15},
        {"patience": 0},
        {"mlp_width": 0},
        {"warmup": 2.0},
        {"precision": "fp8"},
    ],
)
def test_senseless_settings_are_refused(bad: dict) -> None:
    with pytest.raises(InputError):
        Settings(**bad)


def test_a_prefix_as_long_as_the_context_is_refused(tiny: Base, e2e: Task) -> None:
    with pytest.raises(InputError, match="leaves no room"):
        list(train(tiny, e2e, "prefix", e2e.pool(), replace(settings("prefix"), prefix_length=512)))


@pytest.mark.parametrize("method", TRAINED)
def test_in_bf16_the_loss_and_the_gradient_are_nearly_those_in_fp32(tiny: Base, e2e: Task, method: str) -> None:
    """Products are rounded to 8 bits; what is trained and what is added up are not."""
    found = []
    for precision in ("fp32", "bf16"):
        adaptation = TRAINED[method].start(tiny, settings(method, precision=precision))
        batch = encode_pairs(tiny, e2e, e2e.pool()[:4], adaptation.prefix_length)
        mean = mean_loss(tiny, adaptation, batch)
        mean.backward()
        gradients = [parameter.grad for parameter in adaptation.parameters() if parameter.grad is not None]
        assert all(tensor.dtype == torch.float32 for tensor in [mean, *adaptation.parameters(), *gradients])
        found.append((mean.item(), torch.cat([gradient.flatten() for gradient in gradients])))
    (exact, exact_gradient), (rounded, rounded_gradient) = found
    assert rounded != exact and rounded == pytest.approx(exact, rel=1e-2)
    assert torch.cosine_similarity(exact_gradient, rounded_gradient, dim=0) > 0.99


@pytest.mark.parametrize("method", TRAINED)
def test_in_bf16_steps_too_small_for_bf16_are_not_lost(tiny: Base, e2e: Task, method: str, tmp_path: Path) -> None:
    """Masters and moments are fp32: a rate of 1e-5 moves a weight of 0.2 by less than bf16 can tell."""
    checkpoint = tmp_path / "run.safetensors"
    slow = settings(method, precision="bf16", learning_rate=1e-5)
    before = TRAINED[method].start(tiny, slow).kept()
    after = run(tiny, e2e, method, settings=slow, checkpoint=checkpoint)[-1].result
    moved = [not torch.equal(before[name], tensor) for name, tensor in after.kept.items()]
    assert sum(moved) > len(moved) / 2 and all(tensor.dtype == torch.float32 for tensor in after.kept.values())
    with safe_open(checkpoint, framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float32}  # noqa: SIM118


@pytest.mark.parametrize("method", TRAINED)
def test_in_bf16_every_method_learns_the_same_again_and_goes_on(
    tiny: Base, e2e: Task, method: str, tmp_path: Path
) -> None:
    chosen = settings(method, precision="bf16", learning_rate=TUNED[method].learning_rate * 3)
    whole = run(tiny, e2e, method, settings=chosen)
    measured = [event.held_out_loss for event in whole if event.held_out_loss is not None]
    assert measured[-1] < measured[0]
    count, checkpoint = iter(range(100)), tmp_path / "run.safetensors"
    first = run(tiny, e2e, method, settings=chosen, checkpoint=checkpoint, should_stop=lambda: next(count) >= 5)
    rest = run(tiny, e2e, method, settings=chosen, checkpoint=checkpoint)
    assert [event.loss for event in [*first[:-1], *rest]] == [event.loss for event in whole]
    with pytest.raises(InputError, match="another run"):
        run(tiny, e2e, method, settings=replace(chosen, precision="fp32"), checkpoint=checkpoint)


def test_a_frozen_base_is_cast_once(tiny: Base, e2e: Task) -> None:
    adaptation = TRAINED["prefix"].start(tiny, settings("prefix", precision="bf16"))
    network = adaptation.network()
    assert network is adaptation.network() and network.layers[0].mlp.up.weight.dtype == torch.bfloat16
    assert network.tokens is tiny.network.tokens and network.norm.weight.dtype == torch.float32
