"""What programs can call of the tab "Train". A program is a visitor like any other: `visitor` is its token."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from prefix_core.errors import InputError
from prefix_core.ui.common import refusals
from prefix_core.ui.loading import Loading
from prefix_core.ui.train.own import bring_prefix, prefix_zip
from prefix_core.ui.train.plan import TrainingForm, make_plan
from prefix_core.ui.train.queue import TrainingQueue
from prefix_core.ui.train.runs import TrainingRun
from prefix_core.ui.train.sheet import read_pasted
from prefix_core.ui.visitors import Visitor, Visitors

LOOK = 0.5  # seconds between two looks at a training that is on


def add(loading: Loading, visitors: Visitors, queue: TrainingQueue) -> None:
    """Add `/train`, `/stop_training`, `/prefixes`, `/download`, `/upload` and `/forget_me` to the Blocks."""
    _add_train(loading, visitors, queue)
    _add_control(visitors)
    _add_files(loading, visitors)


def _add_train(loading: Loading, visitors: Visitors, queue: TrainingQueue) -> None:
    async def train(
        rows: str,
        task: Literal["custom", "e2e", "webnlg"] = "custom",
        inputs: list[str] = [],  # noqa: B006 (only read)
        target: str = "",
        template: str = "",
        pace: Literal["quick", "thorough"] = "quick",
        race: bool = False,
        start: Literal["rows", "words"] = "rows",
        prefix_length: int = 11,
        initial_words: str = "table-to-text:",
        epochs: float | None = None,
        learning_rate: float | None = None,
        visitor: str = "",
    ) -> AsyncIterator[dict[str, Any]]:
        """Train a prefix on your rows; reports how it goes until it is over. It goes on if you stop listening.

        Parameters:
            rows: CSV, tab-separated or JSON lines, with the names of the columns
            task: custom (any text to any text), e2e (restaurant tables) or webnlg (triples)
            inputs: the input columns; all but the text's if empty
            target: the column with the texts; text, ref, target or the last one if empty
            template: how an input is written, with {column} for a cell; made from the columns if empty
            pace: quick, every row four or five times in at most 30 steps, or thorough, ten times in at most 200
            race: fine-tune a copy of the model on the same rows beside the prefix, to compare
            start: the prefix starts as an instruction and some of the rows, or as words
            prefix_length: of a start from words, 1 to 100
            initial_words: what a start from words starts from; random if empty
            epochs: 1 to 100; as the pace takes if it is not given
            learning_rate: of the prefix; what suits the base if it is not given
            visitor: the token of an earlier answer; a new one is made if empty
        Returns:
            {"visitor", "state", "place", "method", "step", "steps", "loss", "held_out_loss", "seconds", ..}, many times
        """
        with refusals():
            who = visitors.visit(visitor)
            sheet = read_pasted(rows, queue.limits)
            likely, text = sheet.guess
            columns = inputs or [column for column in likely if column != target]
            started = (start, prefix_length, initial_words)
            chosen = (template, pace, race, *started, epochs, learning_rate)
            form = TrainingForm(sheet, task, columns, target or text, *chosen)
            engine = await asyncio.to_thread(loading.wait)
            run = queue.add(await asyncio.to_thread(make_plan, form, engine.base, queue.limits), who)
        seen = None
        while True:
            now, over = (run.version, run.ahead), run.over
            if now != seen:
                seen = now
                yield run_json(who, run, now[1])
            if over:
                return
            visitors.visit(who.token)  # listening counts as contact
            await asyncio.sleep(LOOK)

    gr.api(train, api_name="train", concurrency_limit=None)


def _add_control(visitors: Visitors) -> None:
    def stop_training(visitor: str) -> dict[str, Any]:
        """Stop your training; the best so far is kept.

        Parameters:
            visitor: your token, from the answer of /train
        Returns:
            how it stands
        """
        with refusals():
            who = visitors.get(visitor)
            if who.training is None:
                raise InputError("You have no training here.")
            who.training.stop()
            return run_json(who, who.training, 0)

    def prefixes(visitor: str) -> list[dict[str, Any]]:
        """Your prefixes.

        Parameters:
            visitor: your token
        Returns:
            [{"name", "task", "length", "steps", "held_out_loss"}, ..]
        """
        with refusals():
            return [
                {
                    "name": own.name,
                    "task": own.task.name,
                    "length": own.steered.prefix.length if own.steered.prefix else 0,
                    "steps": own.card.steps,
                    "held_out_loss": own.card.held_out_loss,
                }
                for own in list(visitors.get(visitor).prefixes.values())
            ]

    def forget_me(visitor: str) -> str:
        """Remove everything of yours.

        Parameters:
            visitor: your token
        Returns:
            "removed", also if there was nothing
        """
        visitors.forget(visitor)
        return "removed"

    for function in (stop_training, prefixes, forget_me):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _add_files(loading: Loading, visitors: Visitors) -> None:
    """Files go through components, since Gradio then takes only files that were uploaded."""

    def download(visitor: str, name: str) -> str:
        """One of your prefixes as a zip in PEFT's format, with its card."""
        with refusals():
            return str(prefix_zip(loading, visitors.get(visitor), name))

    def upload(file: str, visitor: str) -> dict[str, Any]:
        """Bring a prefix that was downloaded here; it is checked, and must belong to this base."""
        with refusals():
            who = visitors.visit(visitor)
            own = bring_prefix(loading, visitors, who, Path(file))
            return {"visitor": who.token, "name": own.name, "task": own.task.name}

    token, name = gr.Textbox(visible=False, label="visitor"), gr.Textbox(visible=False, label="name")
    file, answer = gr.File(visible=False, label="file"), gr.JSON(visible=False, label="prefix")
    trigger = gr.Button(visible=False)
    trigger.click(download, [token, name], file, api_name="download", show_progress="hidden")
    trigger.click(upload, [file, token], answer, api_name="upload", show_progress="hidden")


def run_json(visitor: Visitor, run: TrainingRun, ahead: int) -> dict[str, Any]:
    """A training as JSON, with the method that is on or was last."""
    method = run.methods[-1] if run.methods else None
    held_out = list(method.held_out.values()) if method else []
    return {
        "visitor": visitor.token,
        "state": run.state,
        "place": ahead,
        "error": run.error,
        "method": method.method if method else "",
        "step": method.step if method else 0,
        "steps": method.steps if method else 0,
        "loss": method.losses[-1] if method and method.losses else None,
        "held_out_loss": held_out[-1] if held_out else None,
        "seconds": round(run.seconds, 1),
        "seconds_left": round(run.seconds_left, 1),
        "starts_in": round(run.starts_in, 1),
        "samples": list(zip(run.inputs, run.latest(method), strict=True)) if run.latest(method) else [],
        "scores": run.scores,
        "prefix": run.prefix,
    }
