"""What the tab "Compare" shows when a visitor comes, perhaps by a link, and when they choose another card."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui import inputs
from prefix_core.ui.cards import ALL_METHODS, SHIPPED, TaskCard, cards, find
from prefix_core.ui.engine import Loading
from prefix_core.ui.hints import plain_kind
from prefix_core.ui.inputs import Draft
from prefix_core.ui.layout import Page, opening_line
from prefix_core.ui.links import from_query
from prefix_core.ui.opening import Opening, read_opening
from prefix_core.ui.orders import Turn
from prefix_core.ui.panes import KINDS
from prefix_core.ui.references import people_html, references_of
from prefix_core.ui.status import problem_html, status_html
from prefix_core.ui.visitors import Visitor, Visitors

FIRST = "e2e"  # the card the page opens on
Updates = dict[Any, Any]  # component -> its update


@dataclass(frozen=True)
class Scenes:
    """Updates of a page's components. What a card wants computed at once is left in `Turn.due`."""

    page: Page
    loading: Loading
    visitors: Visitors

    def arrive(self, turn: Turn, token: str, request: gr.Request) -> Updates:
        """A visitor comes: the page as it was laid out, or as their link says."""
        visitor, problem = self.whose(token), {}
        try:
            if link := from_query(dict(request.query_params)):
                card = find(link.key, visitor)
                draft = inputs.draft_from(card, link.text)
                return self._show(turn, visitor, card, draft, link.methods, link.settings)
        except InputError as error:
            problem = {self.page.input.problem: problem_html(error)}
        card = SHIPPED[FIRST]
        opening = self._opening(card)
        turn.due = opening is None
        if opening:
            turn.shown = card, opening.source, list(opening.panes)
        return self.offer(card) | {self.page.tasks: self.tasks(token, turn)} | problem

    def choose(self, turn: Turn, token: str, key: str, *draft: Any) -> Updates:
        """Another card. What stood in the input is there again when its card is; a text plainly meant comes along."""
        visitor, left = self.whose(token), Draft(*draft)
        try:
            card = find(key, visitor)
        except InputError as error:
            return {self.page.input.problem: problem_html(error), self.page.tasks: self.tasks(token, turn)}
        if left.typed == "text" and plain_kind(left.text) == card.task.kind != self._kind(turn.key, visitor):
            return self._show(turn, visitor, card, inputs.draft_from(card, left.text))
        turn.drafts[turn.key] = left
        return self._show(turn, visitor, card, turn.drafts.get(key) or self._first_draft(card))

    def offer(self, card: TaskCard, wanted: list[str] | None = None) -> Updates:
        """Only the methods that can be run on this base, with a word on the others. wanted: those to tick, or all."""
        try:
            obstacles = card.offered(self.loading.wait())
        except PrefixError:
            return {}  # the header says why
        free = [method for method in ALL_METHODS if not obstacles.get(method, "no")]
        ticked = free if wanted is None else [method for method in wanted if method in free]
        return {
            self.page.methods: gr.CheckboxGroup([(KINDS[method].title, method) for method in free], value=ticked),
            self.page.without: _without(obstacles),
        }

    def tasks(self, token: str, turn: Turn) -> gr.Radio:
        """The cards as they are now: a prefix may have come or gone."""
        return gr.Radio([(card.label, card.key) for card in cards(self.whose(token))], value=turn.key)

    def whose(self, token: str) -> Visitor | None:
        try:
            return self.visitors.get(token)
        except InputError:
            return None

    def _show(
        self,
        turn: Turn,
        visitor: Visitor | None,
        card: TaskCard,
        draft: Draft,
        methods: list[str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Updates:
        """A card with its input and its precomputed comparison, or with a run that is due."""
        page = self.page
        turn.key, turn.latest = card.key, None  # what another card has still going ends
        updates = inputs.change(page.input, card, draft) | page.decoding.change(card.task, settings)
        updates |= {page.tasks: gr.Radio([(other.label, other.key) for other in cards(visitor)], value=card.key)}
        updates |= {page.people: ""} | self.offer(card, methods)
        try:
            source = draft.read(card)
        except InputError:
            turn.due, turn.shown = False, None
            if not draft.text.strip():
                updates[page.input.problem] = ""  # nobody has made a mistake yet
            nothing = status_html("stopped", "Nothing is written yet: give it an input, then Run")
            return updates | {page.status: nothing, page.panes: ""}
        opening = None if settings else self._opening(card)
        turn.due = opening is None or opening.source != source
        if opening is None or turn.due:
            return updates | {page.status: status_html("busy", "Waiting …")}
        return updates | {
            page.status: opening_line(card, source, opening),
            page.panes: turn.draw(card, source, list(opening.panes)),
            page.people: people_html(opening.panes, references_of(card, source)),
        }

    def _opening(self, card: TaskCard) -> Opening | None:
        return read_opening(self.loading.name, self.loading.root, card.key)

    def _first_draft(self, card: TaskCard) -> Draft:
        """The precomputed input, or the last example; an own task may have neither."""
        if opening := self._opening(card):
            return inputs.draft_of(card, opening.source)
        return inputs.draft_of(card, card.examples[-1].source) if card.examples else Draft("text", [], "")

    def _kind(self, key: str, visitor: Visitor | None) -> str:
        try:
            return find(key, visitor).task.kind
        except InputError:
            return ""


def _without(obstacles: dict[str, str]) -> str:
    """A word on the methods that cannot be run, those together that share a reason."""
    names: dict[str, list[str]] = {}
    for method, why in obstacles.items():
        if why:
            names.setdefault(why, []).append(KINDS[method].title)
    lines = (f"{why[0].upper()}{why[1:]}: {', '.join(titles)}" for why, titles in names.items())
    return f"<p>{escape('. '.join(lines))}.</p>" if names else ""
