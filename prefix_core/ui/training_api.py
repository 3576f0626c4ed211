"""What programs can call of the tab "Train". A program is a visitor like any other: `visitor` is its token."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui.engine import Loading
from prefix_core.ui.training_plan import Wish, order
from prefix_core.ui.training_run import Training, Trainings
from prefix_core.ui.training_sheet import read_pasted
from prefix_core.ui.visitors import Visitor, Visitors

LOOK = 0.5  # seconds between two looks at a training that is on


def add(loading: Loading, visitors: Visitors, trainings: Trainings) -> None:
    """Add `/train`, `/stop_training`, `/prefixes`, `/download`, `/upload` and `/forget_me` to the Blocks."""

    async def train(
        rows: str,
        task: Literal["custom", "e2e", "webnlg"] = "custom",
        inputs: list[str] = [],  # noqa: B006 (only read)
        target: str = "",
        template: str = "",
        method: Literal["prefix", "both"] = "prefix",
        prefix_length: int = 20,
        initial_words: str = "table-to-text:",
        epochs: float = 20,
        learning_rate: float | None = None,
        visitor: str = "",
    ) -> AsyncIterator[dict[str, Any]]:
        """Train a prefix on your rows; tells how it goes until it is over. It goes on if you stop listening.

        Parameters:
            rows: CSV, tab-separated or JSON lines, with the names of the columns
            task: custom (any text to any text), e2e (restaurant tables) or webnlg (triples)
            inputs: the input columns; all but the text's if empty
            target: the column with the texts; text, ref, target or the last one if empty
            template: how an input is written, with {column} for a cell; made from the columns if empty
            method: prefix, or both: the prefix, then full fine-tuning on the same rows, to compare
            prefix_length: 1 to 100
            initial_words: what the prefix starts from; random if empty
            epochs: 1 to 100
            learning_rate: of the prefix; what suits the base if it is not given
            visitor: the token of an earlier answer; a new one is made if empty
        Returns:
            {"visitor", "state", "place", "method", "step", "steps", "loss", "held_out_loss", "seconds", ..}, many times
        """
        try:
            who = visitors.visit(visitor)
            sheet = read_pasted(rows, trainings.limits)
            likely, text = sheet.guess
            wish = Wish(
                sheet,
                task,
                inputs or [column for column in likely if column != target],
                target or text,
                template,
                method,
                prefix_length,
                initial_words,
                epochs,
                learning_rate,
            )
            engine = await asyncio.to_thread(loading.wait)
            training = trainings.add(await asyncio.to_thread(order, wish, engine.base, trainings.limits), who)
        except PrefixError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except TypeError as error:  # types are not checked on the way here
            raise gr.Error(f"A parameter is of the wrong type: {error}", print_exception=False) from error
        seen = None
        while True:
            now, over = (training.version, trainings.place(training)), training.over
            if now != seen:
                seen = now
                yield facts(who, training, now[1])
            if over:
                return
            visitors.visit(who.token)  # whoever listens is in contact
            await asyncio.sleep(LOOK)

    def stop_training(visitor: str) -> dict[str, Any]:
        """Stop your training; the best so far is kept.

        Parameters:
            visitor: the token that /train told
        Returns:
            how it stands
        """
        who = _visitor(visitors, visitor)
        if who.training is None:
            raise gr.Error("You have no training here.", print_exception=False)
        who.training.stop()
        return facts(who, who.training, 0)

    def prefixes(visitor: str) -> list[dict[str, Any]]:
        """Your prefixes.

        Parameters:
            visitor: your token
        Returns:
            [{"name", "task", "length", "steps", "held_out_loss"}, ..]
        """
        return [
            {
                "name": own.name,
                "task": own.task.name,
                "length": own.steered.prefix.length if own.steered.prefix else 0,
                "steps": own.card.steps,
                "held_out_loss": own.card.held_out_loss,
            }
            for own in list(_visitor(visitors, visitor).prefixes.values())
        ]

    def forget_me(visitor: str) -> str:
        """Remove all that is yours.

        Parameters:
            visitor: your token
        Returns:
            "removed", also where there was nothing
        """
        visitors.forget(visitor)
        return "removed"

    def download(visitor: str, name: str) -> str:
        """One of your prefixes as a zip in PEFT's format, with its card."""
        from prefix_core.ui.training_files import pack

        who = _visitor(visitors, visitor)
        try:
            own = who.prefixes.get(name)
            if own is None:
                raise InputError(f"You have no prefix '{name}'. There are: {', '.join(who.prefixes) or 'none'}.")
            return str(pack(own, loading.wait().base, who.folder))
        except PrefixError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def upload(file: str, visitor: str) -> dict[str, Any]:
        """Bring a prefix that was downloaded here; it is checked, and has to be of this base."""
        from prefix_core.ui.training_files import unpack

        try:
            who = visitors.visit(visitor)
            own = visitors.keep(who, unpack(Path(file), loading.wait().base))
        except PrefixError as error:
            raise gr.Error(str(error), print_exception=False) from error
        finally:
            Path(file).unlink(missing_ok=True)
        return {"visitor": who.token, "name": own.name, "task": own.task.name}

    gr.api(train, api_name="train", concurrency_limit=None)
    for function in (stop_training, prefixes, forget_me):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)
    # Files go through components, which take none but those that were uploaded.
    token, name = gr.Textbox(visible=False, label="visitor"), gr.Textbox(visible=False, label="name")
    file, answer = gr.File(visible=False, label="file"), gr.JSON(visible=False, label="prefix")
    trigger = gr.Button(visible=False)
    trigger.click(download, [token, name], file, api_name="download", show_progress="hidden")
    trigger.click(upload, [file, token], answer, api_name="upload", show_progress="hidden")


def facts(visitor: Visitor, training: Training, place: int) -> dict[str, Any]:
    """A training as JSON; of the method that is on, or was last."""
    track = training.tracks[-1] if training.tracks else None
    held_out = list(track.held_out.values()) if track else []
    return {
        "visitor": visitor.token,
        "state": training.state,
        "place": place,
        "error": training.error,
        "method": track.method if track else "",
        "step": track.step if track else 0,
        "steps": track.steps if track else 0,
        "loss": track.losses[-1] if track and track.losses else None,
        "held_out_loss": held_out[-1] if held_out else None,
        "seconds": round(training.seconds, 1),
        "seconds_left": round(track.seconds_left, 1) if track else None,
        "samples": list(zip(training.inputs, track.samples[max(track.samples)], strict=True)) if track else [],
        "scores": training.scores,
        "prefix": training.prefix,
    }


def _visitor(visitors: Visitors, token: str) -> Visitor:
    try:
        return visitors.get(token)
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from error
