"""What the tab "Compare" shows when a visitor comes, perhaps by a link, and when they choose another card.

A link is the page's address with a query that says what to show; nothing about it is kept on the server.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal
from urllib.parse import urlencode

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.studies.opening import Opening, load_opening
from prefix_core.ui.choices import SHIPPED_CARDS, TaskCard, find_card, task_cards
from prefix_core.ui.common import problem_html, status_html
from prefix_core.ui.compare import entry
from prefix_core.ui.compare.entry import Draft, plain_kind
from prefix_core.ui.compare.layout import CompareTab, input_updates, opening_status
from prefix_core.ui.compare.panes import references_html
from prefix_core.ui.compare.runs import DecodingOptions, PageState
from prefix_core.ui.labels import ALL_METHODS, METHOD_LABELS, PREFIXES
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Visitor, Visitors

FIRST = "e2e"  # the card the page opens on
Updates = dict[Any, Any]  # component -> its update
LONGEST_QUERY = 7000  # characters of a query; some servers on the way take no more than 8 kB
OPTION_TYPES = {
    "decoding": str, "temperature": float, "top_p": float, "seed": int, "max_new_tokens": int, "cut": int, "shots": int,
    "strength": float, "layers": str,
}  # fmt: skip


@dataclass(frozen=True)
class Link:
    """What an address says. Settings that it does not name stay as the task has them."""

    key: str
    text: str
    methods: list[str]
    settings: dict[str, str | float | int | bool]


def to_query(key: str, text: str, methods: list[str], options: DecodingOptions) -> str:
    """The query of a link, "?...", without the options that have no effect. Raises `InputError` if it is too long."""
    values = options._asdict() | {"cut": int(options.cut)}
    if options.decoding != "sampling":
        values = {name: value for name, value in values.items() if name not in ("temperature", "top_p", "seed")}
    query = "?" + urlencode({"task": key, "text": text, "methods": ",".join(methods)} | values)
    if len(query) > LONGEST_QUERY:
        raise InputError(
            f"This input is too long for a link, which would have {len(query):,} characters; above {LONGEST_QUERY:,},"
            " links often break. Send the text itself."
        )
    return query


def from_query(query: Mapping[str, str]) -> Link | None:
    """The link in an address; None if it has none. Raises `InputError` for a damaged one."""
    if "task" not in query or "text" not in query:
        return None
    methods = [method for method in query.get("methods", "").split(",") if method]
    if unknown := [method for method in methods if method not in ALL_METHODS]:
        raise InputError(f"The link asks for the method “{unknown[0]}”, which does not exist.")
    settings = {}
    for name, kind in OPTION_TYPES.items():
        if name in query:
            try:
                settings[name] = bool(int(query[name])) if name == "cut" else kind(query[name])
            except ValueError:
                wrong = f"The link is damaged: {name} is “{query[name][:40]}”, which is not a number."
                raise InputError(wrong) from None
    return Link(query["task"], query["text"], methods, settings)


@dataclass(frozen=True)
class KeptForm:
    """What the browser kept of the page: the card, what stood in each card's input, the methods and the settings."""

    key: str
    drafts: dict[str, Draft]
    methods: list[str]
    settings: dict[str, Any]


def from_kept(text: str) -> KeptForm | None:
    """What `keepForm` of assets/page.js wrote; None where there is nothing, or it is of another version of the page."""
    try:
        form = json.loads(text)
        drafts = {
            str(key): Draft(
                "grid" if draft["edited"] == "grid" else "text",
                [[str(cell) for cell in row] for row in draft["grid"] or []],
                str(draft["text"]),
            )
            for key, draft in form["drafts"].items()
        }
        methods = [method for method in ALL_METHODS if method in form["methods"]]
        settings = dict(zip(DecodingOptions._fields, form["settings"], strict=False))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return KeptForm(form["key"], drafts, methods, settings) if form["key"] in drafts else None


def usual(card: TaskCard, settings: Mapping[str, Any] | None) -> bool:
    """Whether the settings are those that a card opens with, and so its precomputed comparison was made with."""
    opens_with = DecodingOptions(max_new_tokens=card.task.max_new_tokens, cut=card.task.cut)._asdict()
    return all(opens_with[name] == value for name, value in (settings or {}).items() if name in opens_with)


@dataclass(frozen=True)
class Scenes:
    """Updates of a page's components. They set `PageState.due` if the card wants a run at once."""

    page: CompareTab
    loading: Loading
    visitors: Visitors

    def arrive(self, state: PageState, token: str, kept: str, request: gr.Request) -> Updates:
        """A visitor comes: the page as it was laid out, as their link says, or as they left it before a reload."""
        visitor, problem = self.visitor(token), {}
        try:
            form = from_kept(kept)
            if form and form.key in {card.key for card in task_cards(visitor)}:  # an own prefix may have gone
                state.drafts = form.drafts
                return self.show(
                    state, visitor, find_card(form.key, visitor), form.drafts[form.key], form.methods, form.settings
                )
            if link := from_query(dict(request.query_params)):
                card = find_card(link.key, visitor)
                draft = entry.draft_from(card, link.text)
                return self.show(state, visitor, card, draft, link.methods, link.settings)
        except InputError as error:
            problem = {self.page.input.problem: problem_html(error)}
        card = SHIPPED_CARDS[FIRST]
        opening = self._opening(card)
        state.due = opening is None
        if opening:
            state.shown = card, opening.source, list(opening.panes)
        return self.offer(card) | {self.page.tasks: self.tasks(token, state)} | problem

    def choose(self, state: PageState, token: str, key: str, *draft: Any) -> Updates:
        """Another card, with what its input held when the visitor left it.

        A text that is plainly of the new card's kind, and not of the old one's, is taken along instead.
        """
        visitor, left = self.visitor(token), Draft(*draft)
        try:
            card = find_card(key, visitor)
        except InputError as error:
            return {self.page.input.problem: problem_html(error), self.page.tasks: self.tasks(token, state)}
        goes_along = left.edited == "text" and not card.own and plain_kind(left.text) == card.task.kind
        if goes_along and card.task.kind != self._kind(state.key, visitor):
            return self.show(state, visitor, card, entry.draft_from(card, left.text))
        state.drafts[state.key] = left
        return self.show(state, visitor, card, state.drafts.get(key) or self._first_draft(card))

    def offer(self, card: TaskCard, wanted: list[str] | None = None, settings: dict[str, Any] | None = None) -> Updates:
        """The methods that can run on this base, with a word on the others. wanted: those to tick; None for all.

        The prefix's dials are there where it can run, as `settings` say or else at rest.
        """
        try:
            engine = self.loading.wait()
            obstacles = card.obstacles(engine)
        except PrefixError:
            return {}  # the header says why
        free = [method for method in ALL_METHODS if not obstacles.get(method, "no")]
        ticked = free if wanted is None else [method for method in wanted if method in free]
        return {
            self.page.methods: gr.CheckboxGroup([(METHOD_LABELS[name].title, name) for name in free], value=ticked),
            self.page.without: _without(obstacles),
        } | self._dials(engine.base.shape.layers, set(PREFIXES) & set(free), settings or {})

    def _dials(self, layers: int, needed: Collection[str], settings: dict[str, Any]) -> Updates:
        shown: bool | Literal["hidden"] = True if needed else "hidden"
        at_rest, decoding = {"strength": 1.0, "layers": ""}, self.page.decoding
        return {
            getattr(decoding, name): gr.HTML(settings.get(name, rest), most=layers, visible=shown)
            for name, rest in at_rest.items()
        }

    def tasks(self, token: str, state: PageState) -> gr.Radio:
        """The cards as they are now: a prefix may have come or gone."""
        return gr.Radio([(card.label, card.key) for card in task_cards(self.visitor(token))], value=state.key)

    def visitor(self, token: str) -> Visitor | None:
        try:
            return self.visitors.get(token)
        except InputError:
            return None

    def show(
        self,
        state: PageState,
        visitor: Visitor | None,
        card: TaskCard,
        draft: Draft,
        methods: list[str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Updates:
        """A card with its input and its precomputed comparison, or with a run that is due."""
        page = self.page
        state.key, state.latest = card.key, None  # a run that another card has on ends
        updates = input_updates(page.input, card, draft, entry.check_html(card, draft))
        updates |= page.decoding.updates(card.task, settings)
        updates |= {page.tasks: gr.Radio([(other.label, other.key) for other in task_cards(visitor)], value=card.key)}
        updates |= {page.references: ""} | self.offer(card, methods, settings)
        try:
            source = draft.source(card)
        except InputError:
            state.due, state.shown = False, None
            if not draft.text.strip():
                updates[page.input.problem] = ""  # nobody has made a mistake yet
            nothing = status_html("stopped", "Nothing is written yet. Enter an input, then press Run.")
            return updates | {page.status: nothing, page.panes: ""}
        opening = self._opening(card) if usual(card, settings) else None
        if opening and methods is not None and not {pane.method for pane in opening.panes} <= set(methods):
            opening = None
        state.due = opening is None or opening.source != source
        if opening is None or state.due:
            return updates | {page.status: status_html("busy", "Waiting …")}
        return updates | {
            page.status: opening_status(card, source, opening),
            page.panes: state.draw(card, source, list(opening.panes)),
            page.references: references_html(opening.panes, card.references_of(source)),
        }

    def _opening(self, card: TaskCard) -> Opening | None:
        return load_opening(self.loading.name, self.loading.root, card.key)

    def _first_draft(self, card: TaskCard) -> Draft:
        """The precomputed input, or the last example; a visitor's own task may have neither."""
        if opening := self._opening(card):
            return entry.draft_of(card, opening.source)
        return entry.draft_of(card, card.examples[-1].source) if card.examples else entry.draft_from(card, "")

    def _kind(self, key: str, visitor: Visitor | None) -> str:
        try:
            return find_card(key, visitor).task.kind
        except InputError:
            return ""


def _without(obstacles: dict[str, str]) -> str:
    """A word on the methods that cannot run, grouped by the reason."""
    names: dict[str, list[str]] = {}
    for method, why in obstacles.items():
        if why:
            names.setdefault(why, []).append(METHOD_LABELS[method].title)
    lines = (f"{why[0].upper()}{why[1:]}: {', '.join(titles)}" for why, titles in names.items())
    return f"<p>{escape('. '.join(lines))}.</p>" if names else ""
