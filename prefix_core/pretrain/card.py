"""The model card of a pretrained base: what it is, what it read and under which licences, how well it did."""

import re
from typing import Any, NamedTuple

SOURCES = {  # open source -> (what it is, licence and credit)
    "wikipedia_entity_intros": (
        "opening paragraphs of English Wikipedia articles, by way of OTT-QA",
        "CC BY-SA, Wikipedia authors",
    ),
    "wikipedia_recent": ("English Wikipedia articles, about 2018, by way of WikiTasks", "CC BY-SA, Wikipedia authors"),
    "wikipedia_featured": ("featured articles of English Wikipedia", "CC BY-SA, Wikipedia authors"),
    "wikipedia_core": ("the most general articles of English Wikipedia", "CC BY-SA, Wikipedia authors"),
    "wikinews": ("English Wikinews, 2004-2010", "CC BY 2.5, Wikinews contributors"),
    "openstax_textbooks": ("OpenStax textbooks", "CC BY 4.0, OpenStax"),
    "onestopenglish_news": ("OneStopEnglish corpus (Vajjala & Lucic 2018)", "CC BY-SA 4.0, onestopenglish.com"),
    "gum": ("GUM corpus, free genres", "CC BY / CC BY-SA / public domain by genre, A. Zeldes and others"),
    "oanc_travel_nonfiction": ("Open American National Corpus: travel guides, non-fiction", "free for any use, OANC"),
    "cia_world_factbook": ("The World Factbook, prose fields", "public domain"),
    "us_state_dept_history": ("Office of the Historian, US Department of State", "public domain"),
    "us_digital_gov": ("digital.gov and 18F guidance", "public domain"),
    "us_presidential_speeches": ("inaugural and State of the Union addresses", "public domain"),
    "public_domain_recipes": ("public domain recipes, tacofancy", "public domain"),
    "sgd_dialogues": ("Schema-Guided Dialogue (Rastogi et al. 2020), train", "CC BY-SA 4.0, Google LLC"),
    "classic_books": ("classic books", "public domain"),
    "entity_facts": (
        "facts read by rule out of Wikipedia openings, in many forms, then the sentences",
        "CC BY-SA, Wikipedia authors",
    ),
    "dialogue_acts": (
        "ViGGO (Juraska et al. 2019), RNNLG laptop and tv (Wen et al. 2016), Alex context (Dusek & Jurcicek 2016), "
        "in many forms, with names and numbers swapped",
        "CC BY-SA 4.0 (ViGGO, Alex), Apache 2.0 (RNNLG)",
    ),
    "copying": ("made-up facts in two forms", "made by this project; names from Wikipedia titles"),
    "news_headlines": ("Wikinews articles, then their title or first sentence", "CC BY 2.5, Wikinews contributors"),
    "recent_headlines": ("Wikipedia articles, then their title or first sentence", "CC BY-SA, Wikipedia authors"),
    "country_questions": ("questions and answers from The World Factbook", "public domain"),
}


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


class Carried(NamedTuple):
    """What the card of the base that a run was grown from says; None for what it does not say."""

    tokens: float | None = None  # million, all runs before it included
    minutes: float | None = None
    shape: str = ""
    sources: frozenset[str] = frozenset()


def carried(card: str) -> Carried:
    """Read an earlier card of this kind."""
    counted = re.search(r"([\d.]+)M tokens in all, ([\d.]+) minutes", card)
    counted = counted or re.search(r"([\d.]+)M tokens in ([\d.]+) minutes", card)
    shape = re.search(r"(\d+ layers, width \d+, \d+ heads, \d+\spositions)", card)
    return Carried(
        tokens=float(counted[1]) if counted else None,
        minutes=float(counted[2]) if counted else None,
        shape=" ".join(shape[1].split()) if shape else "",
        sources=frozenset(re.findall(r"^\| (\w+) \|", card, re.MULTILINE)) & SOURCES.keys(),
    )


def steps_of(log: list[dict]) -> list[dict]:
    """The log's lines with a loss, in order of steps: what a run did after its last checkpoint it did again."""
    return sorted({line["step"]: line for line in log if "loss" in line}.values(), key=lambda line: line["step"])


def text_table(counts: dict, before: Carried | None) -> str:
    """Every source read, in this run and in those before it, with its licence."""
    total = sum(counts["bytes"].values())
    shares = sorted(counts["bytes"].items(), key=lambda item: -item[1])
    rows = [[name, f"{size / total:.1%}", *SOURCES.get(name, ("", "see its source"))] for name, size in shares]
    earlier = sorted(before.sources - counts["bytes"].keys()) if before else []
    rows += [[name, "earlier", *SOURCES[name]] for name in earlier]
    return table(["source", "share of bytes", "what", "licence and credit"], rows)


def grown_from(before: Carried | None, tokens: float, minutes: float) -> str:
    """What was learned before this run, and the sum."""
    if before is None:
        return ""
    told = f" ({before.shape})" if before.shape else ""
    start = f"Grown from a trained base{told}, whose weights it began with.\n"
    if before.tokens is None or before.minutes is None:
        return f"\n\n{start}How many tokens that one had seen is not recorded."
    return (
        f"\n\n{start}With what that one had seen: {before.tokens + tokens:.1f}M tokens in all, "
        f"{before.minutes + minutes:.0f} minutes."
    )


def windows(plan: dict[str, Any]) -> str:
    """How far attention spanned at first, where that was less than a row."""
    if "window" not in plan:
        return ""
    share = f"{plan['whole']:.0%}"
    return f" Attention spans {plan['window']} tokens for the first {share}\nof the run, whole rows after that."


def model_card(
    settings: dict[str, Any],
    parameters: int,
    log: list[dict],
    counts: dict,
    losses: dict[str, float],
    quarters: list[float],
    dtype: str,
    before: Carried | None = None,
) -> str:
    """The card as Markdown; the plot it shows is `loss.svg` beside it.

    settings: the run file. log: the run's lines. counts: bytes by source, documents removed. losses: held out, by the
    type the weights are stored in. quarters: held-out loss in each quarter of the context. before: what the run was
    grown from.
    """
    sizes, plan = settings["model"], settings["training"]
    steps = steps_of(log)
    tokens, minutes = steps[-1]["tokens"] / 1e6, steps[-1]["seconds"] / 60
    held_out: dict[str, float] = next((line["held_out"] for line in reversed(log) if "held_out" in line), {})
    device = next((line["device"] for line in reversed(log) if "device" in line), "an ordinary processor")
    removed = ", ".join(f"{count} {why}" for why, count in counts["removed"].items()) or "none"
    bits = table(["source", "bits per byte"], [[name, f"{value:.3f}"] for name, value in held_out.items()])
    part = sizes["positions"] // 4
    places = [[f"{index * part} to {(index + 1) * part - 1}", f"{loss:.3f}"] for index, loss in enumerate(quarters)]
    unfinished = "\n**A checkpoint from the middle of a run**: its learning rate has not been decayed yet.\n"
    finished = steps[-1]["rate"] < 0.05
    rounded = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    return f"""---
language: en
license: cc-by-sa-4.0
library_name: transformers
pipeline_tag: text-generation
---
# A small base model to steer

A GPT-2-architecture language model of {parameters / 1e6:.1f}M parameters, pretrained from scratch for this project so
that prefix-tuning can be shown without a network. It is small on purpose: it writes short, simple English and copies
names and numbers from a list of facts into sentences; it knows little about the world.
{"" if finished else unfinished}
## Shape

{sizes["layers"]} layers, width {sizes["hidden"]}, {sizes["heads"]} heads, {sizes["positions"]} positions, byte-level
BPE of {sizes["vocabulary"]} words trained on the same text, tied embeddings. `<|endoftext|>` begins every document.
Weights are stored as {dtype}; held-out loss in nats a token: {rounded}.

## Text

{text_table(counts, before)}

One document in 200 of each open source, and the official test splits of the data-to-text sets, were held out. E2E
(original and cleaned), WebNLG, DART, XSUM, RNNLG restaurant and hotel and FewShotWOZ were not used: lines that RNNLG
laptop and tv share with FewShotWOZ were left out, and documents that share 13 words in a row with a test reference of
one of these sets were removed (each time they were drawn: {removed}).

## Training

{tokens:.1f}M tokens in {minutes:.0f} minutes, on {device}; rows of {sizes["positions"]} tokens, {plan["rows"]} a
step. Muon (rate {plan["muon"]}) for the matrices of the blocks, AdamW ({plan["adamw"]}) for the rest; the rate warms up
over {plan["warm_up"]:.0%} of the run and decays to zero over the last {plan["decay"]:.0%}. bfloat16 autocast where the
processor or GPU multiplies it, float32 elsewhere.{windows(plan)}{grown_from(before, tokens, minutes)}

![Training loss by tokens](loss.svg)

## Measured

On held-out text, packed as in training; `python -m prefix_core measure` compares it with other bases.

{bits}

By position in the context:

{table(["positions", "nats a token"], places)}

## What it is bad at

Facts (it invents them), anything longer than a paragraph, arithmetic, reasoning, instructions, other languages than
English. A model this small drops or confuses details when a list has many, and its sentences can be clumsy. It has not
been aligned or filtered: it can repeat the biases of its sources. Use it to study how methods steer a model, not for
what it knows.

## Terms

The weights are under CC BY-SA 4.0, the sharing terms of most of the text: name this project and the sources above, and
share what you derive from them alike. Text taken over from a CC BY-SA source stays under that source's licence.
"""
