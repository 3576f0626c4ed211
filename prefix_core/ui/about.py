"""The tab "How it works": the idea in four figures of our own, and what it costs on a model of any size."""

from functools import partial
from typing import Any, Literal

import gradio as gr

from prefix_core.errors import PrefixError
from prefix_core.places import ASSETS
from prefix_core.studies.sizes import MODELS, Cost, Model, cost
from prefix_core.ui.common import LATEST, bars_html, problem_html, refusals
from prefix_core.ui.labels import share, size
from prefix_core.ui.loading import Loading

BASE = "this app's base"
MANY = 100  # tasks
PAPER = "https://arxiv.org/abs/2101.00190"

STEPS = (
    (
        "A prefix instead of new weights",
        "prefix.svg",
        "A language model writes word by word; in each layer, every word looks back at the <b>keys</b> of the words "
        "before it and gathers their <b>values</b>. Prefix-tuning puts a few more keys and values in front, in every"
        " layer, that belong to no word. Training is free to choose these numbers, so that everything after them is"
        " written the way the task needs it. Not one weight of the model changes.",
    ),
    (
        "How it is learned",
        "training.svg",
        "For each example the model reads the prefix and the input, and the loss on the target text says how the "
        "prefix should change. In the paper, changing it directly was unstable, so a small network, an <b>MLP</b>, "
        "produced the prefix from an embedding during training; afterwards only the prefix was kept. This app changes "
        "a prefix directly, each layer’s vectors in steps of their own size. A prefix starts as what the model "
        "computes for real words, such as “table-to-text:”; with few examples, those words decide the result.",
    ),
    (
        "A task costs next to nothing",
        "storage.svg",
        "Fine-tuning leaves a whole model for each task or each person. Prefix-tuning leaves one model, and for each"
        " task a file smaller than a photograph.",
    ),
    (
        "Many tasks in one batch",
        "batch.svg",
        "As the model is the same for all, inputs of different tasks and users go through it together, each behind "
        "its own prefix. Shorter prefixes are padded on the left and masked, so each row gets exactly what it gets "
        "alone. The tab “One batch” shows it live.",
    ),
)
LIMITS = (
    "A prefix <b>calls up</b> what the model can already do and combines it in new ways; it adds a bias to what "
    "attention gathers, but cannot change how words attend to one another, so it teaches little that is new. The tab "
    "“Evidence” shows what that means on this app's base."
)


def build(loading: Loading) -> None:
    """Lay out the tab and connect it."""
    gr.HTML(guide_html(), apply_default_css=False)
    with gr.Column(elem_id="calculator"):
        gr.HTML(CALCULATOR)
        with gr.Row():
            with gr.Column(scale=5, min_width=300):
                model = gr.Radio([*MODELS, BASE], value="GPT-2 medium", label="Model")
                length = gr.Slider(1, 200, 5, step=1, label="Prefix length", info="in tokens; the paper uses 5 to 200")
                each = gr.Radio([("fp16, 2 bytes", 2), ("fp32, 4 bytes", 4)], value=2, label="A parameter on disk")
            with gr.Column(scale=7, min_width=320):
                result = gr.HTML(costs_html(MODELS["GPT-2 medium"], 5, 2), apply_default_css=False)
    for choice in (model, length, each):
        choice.input(partial(calculate, loading), [model, length, each], result, **LATEST)
    _endpoint(loading)


CALCULATOR = """<h2>What would it cost?</h2>
<p>Kept parameters: layers × 2 × length × width, for keys and values; BART takes a prefix at three places: the encoder's
attention, the decoder's own, and the decoder's attention to the encoder.</p>"""


def guide_html() -> str:
    """The steps, each a figure and a few sentences."""
    steps = "".join(
        f"<section><div><h2>{title}</h2><p>{words}</p></div><figure>{drawing(name)}</figure></section>"
        for title, name, words in STEPS
    )
    source = f'<a href="{PAPER}" target="_blank" rel="noopener">Li &amp; Liang, Prefix-Tuning, ACL 2021</a>'
    return f'<div class="guide">{steps}<p class="limits">{LIMITS} The method: {source}.</p></div>'


def drawing(name: str) -> str:
    return (ASSETS / "figures" / name).read_text(encoding="utf-8")


def find_model(loading: Loading, name: str) -> Model:
    """One of the known models, or the base that this app runs on, once it is loaded. Raises `PrefixError`."""
    if name in MODELS:
        return MODELS[name]
    if name != BASE:
        raise PrefixError(f"There is no model '{name}'. Choose one of: {', '.join([*MODELS, BASE])}.")
    base = loading.wait().base
    return Model(BASE, base.shape.layers, base.shape.kv_heads * base.shape.head_dim, base.parameters)


def calculate(loading: Loading, name: str, length: int, each: int) -> str:
    try:
        return costs_html(find_model(loading, name), int(length), int(each))
    except PrefixError as error:
        return problem_html(error)


def costs_html(model: Model, length: int, each: int) -> str:
    """The costs of one task and of many, as numbers and as bars against full copies."""
    one, many = cost(model, length, 1, each), cost(model, length, MANY, each)
    numbers = (
        ("one prefix", f"{one.prefix:,}", "parameters kept"),
        ("the model", f"{model.parameters:,}", "parameters, frozen"),
        ("share", share(one.prefix, model.parameters), "of the model, per task"),
        ("a prefix on disk", size(one.prefix * each), f"a full copy: {size(model.parameters * each)}"),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in numbers)
    return f'<div class="costs"><dl>{cells}</dl>{_bars("1 task", one)}{_bars(f"{MANY} tasks", many)}</div>'


def _bars(title: str, cost: Cost) -> str:
    several = cost.tasks > 1
    prefixes = "one model and prefixes" if several else "model and prefix"
    copies = "full copies" if several else "fine-tuned model"
    return f"<h3>{title}</h3>" + bars_html([(prefixes, cost.prefix_bytes), (copies, cost.copies_bytes)], size)


def _endpoint(loading: Loading) -> None:
    """Add `/calculator` to the Blocks being built."""

    def calculator(
        model: str, prefix_length: int, tasks: int = 1, bytes_per_parameter: Literal[2, 4] = 2
    ) -> dict[str, Any]:
        """What prefixes cost on a model, against a full copy for each task.

        Parameters:
            model: GPT-2, GPT-2 medium, GPT-2 large, GPT-2 XL, BART base, BART large, GPT-3 2.7B, GPT-3 6.7B, GPT-3 13B,
                GPT-3 175B, or "this app's base"
            prefix_length: in tokens
            tasks: how many
            bytes_per_parameter: 2 (fp16) or 4 (fp32)
        Returns:
            {"prefix_parameters", "model_parameters", "share" (percent), "prefix_bytes" (the model and all prefixes),
            "copies_bytes"}
        """
        with refusals():
            total = cost(find_model(loading, model), prefix_length, tasks, bytes_per_parameter)
        return {
            "prefix_parameters": total.prefix,
            "model_parameters": total.model,
            "share": total.share,
            "prefix_bytes": total.prefix_bytes,
            "copies_bytes": total.copies_bytes,
        }

    gr.api(calculator, api_name="calculator")
