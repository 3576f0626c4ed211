"""The settings of the comparison, folded away: how to choose the words, how many, and what a prompt shows."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from prefix_core.tasks import Task
from prefix_core.ui.engine import MOST_SHOTS, MOST_TOKENS

SEED = "the same seed, methods and settings write the same texts"


@dataclass(frozen=True)
class Decoding:
    """The components, in the order of `orders.Settings`."""

    decoding: gr.Radio
    temperature: gr.Slider
    top_p: gr.Slider
    seed: gr.Number
    max_new_tokens: gr.Slider
    cut: gr.Checkbox
    shots: gr.Slider

    @property
    def all(self) -> list[gr.components.Component]:
        return list(vars(self).values())

    def change(self, task: Task, settings: dict[str, Any] | None = None) -> dict[Any, Any]:
        """Updates to what `task` needs, and to `settings` by name."""
        values = {"max_new_tokens": task.max_new_tokens, "cut": task.cut} | (settings or {})
        return {getattr(self, name): value for name, value in values.items()}


def lay_out(task: Task) -> Decoding:
    with gr.Accordion("Decoding and prompt settings", open=False, elem_id="settings"):
        decoding = gr.Radio(
            [("Greedy", "greedy"), ("Beam search, 5 beams", "beam"), ("Sampling", "sampling")],
            value="greedy",
            label="Decoding",
        )
        with gr.Group(visible=False) as sampling:
            temperature = gr.Slider(0.1, 2.0, 0.8, step=0.05, label="Temperature", info="higher: bolder words")
            top_p = gr.Slider(0.05, 1.0, 0.9, step=0.05, label="Top-p", info="of the likeliest words only")
            seed = gr.Number(0, precision=0, label="Seed", info=SEED)
        longest = gr.Slider(10, MOST_TOKENS, task.max_new_tokens, step=1, label="Max new tokens")
        cut = gr.Checkbox(task.cut, label="Cut an input that is too long, instead of refusing it")
        shots = gr.Slider(
            0, MOST_SHOTS, 0, step=1, label="Examples in the prompt", info="0: an instruction only (zero-shot)"
        )
    decoding.change(
        lambda kind: gr.Group(visible=kind == "sampling"), decoding, sampling, queue=False, api_visibility="private"
    )
    return Decoding(decoding, temperature, top_p, seed, longest, cut, shots)
