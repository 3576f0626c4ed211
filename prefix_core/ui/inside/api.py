"""What programs can call of the tab "Look inside"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from prefix_core.ui.choices import find_card
from prefix_core.ui.common import refusals
from prefix_core.ui.inside import plots
from prefix_core.ui.inside.acts import acts_of
from prefix_core.ui.inside.inspector import QUEUED, Inspector
from prefix_core.writing.written import Pane

if TYPE_CHECKING:
    from prefix_core.studies.view import View


def add(inspector: Inspector) -> None:
    """Add `/inside`, `/coordinates` and `/acts` to the Blocks being built."""
    _add_views(inspector)
    _add_acts(inspector)


def _add_views(inspector: Inspector) -> None:
    def view(prefixes: list[str], layer: int, part: str, fit: str, bare: bool, visitor: str) -> View:
        with refusals():
            return inspector.view(visitor, list(dict.fromkeys(prefixes)), layer, part, fit, bare)[0]

    def inside(
        prefixes: list[str],
        layer: int = 1,
        part: Literal["keys", "values"] = "keys",
        fit: Literal["tokens", "prefixes", "both"] = "tokens",
        bare: bool = False,
        visitor: str = "",
    ) -> dict[str, Any]:
        """Where prefixes lie among the model's tokens, in one layer.

        Parameters:
            prefixes: names of tasks whose shipped prefix is meant, or "own: " and the name of a prefix of the visitor's
            layer: from 1
            part: keys or values
            fit: what the three directions are fitted on: tokens, prefixes or both
            bare: token embeddings alone, through layer 1's own projection
            visitor: the token of the visitor whose own prefixes are meant
        Returns:
            {"variance": [..], "typical_distance", "tokens": [{"token", "point"}, ..], "prefixes": {name: [{"point",
            "nearest": [[token, distance], ..], "began_as", "moved"}, ..]}, ..}; these two are null where unknown
        """
        return plots.view_json(view(prefixes, layer, part, fit, bare, visitor))

    def coordinates(
        prefixes: list[str],
        layer: int = 1,
        part: Literal["keys", "values"] = "keys",
        fit: Literal["tokens", "prefixes", "both"] = "tokens",
        bare: bool = False,
        visitor: str = "",
    ) -> str:
        """The same points as CSV: kind, name, number, token, x, y, z, nearest, distance. Parameters as /inside."""
        seen = view(prefixes, layer, part, fit, bare, visitor)
        from prefix_core.studies.view import to_csv

        return to_csv(seen)

    for endpoint in (inside, coordinates):
        gr.api(endpoint, api_name=endpoint.__name__, **QUEUED)


def _add_acts(inspector: Inspector) -> None:
    def acts(
        text: str, output: str, task: str = "e2e", strength: float = 1.0, layers: str = "", visitor: str = ""
    ) -> list[dict[str, Any]]:
        """Where a prefix acts in a text: for each of its tokens, and behind the last, what it changes there.

        Parameters:
            text: the input in any notation of its task
            output: the text to look at, written for that input
            task: whose shipped prefix is meant, or "own: " and the name of a prefix of the visitor's
            strength: of the prefix, 0 to 8; 1 is as learned
            layers: those in which the prefix acts, such as 5-12; empty for all
            visitor: the token of the visitor whose own prefix is meant
        Returns:
            [{"token", "divergence": in nats, "next", "next_without": the five likeliest tokens, with and without it,
            "share", "sink": attention gained beyond its start's, a number a layer, "vectors": those that gained most}]
        """
        with refusals():
            card = find_card(task, inspector.visitors.get(visitor) if visitor else None)
            method = "own" if card.own else "prefix"
            pane = Pane(method, "finished", output, strength=strength, layers=layers)
            answer = acts_of(inspector.loading.wait(), card, card.task.parse(text), pane, by_head=False)
            places: list[dict[str, Any]] = answer["places"]
            return places

    gr.api(acts, api_name="acts", **QUEUED)
