"""Naturally structured documents: facts and prose, articles and headlines, questions and answers, copying.

Each function makes an endless stream of documents of one kind; `STREAMS` names them for the mixture of a run file.
"""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import random
import re
from collections.abc import Callable, Iterator

from prefix_core.errors import InputError
from prefix_core.pretrain import dialogue_acts
from prefix_core.pretrain.facts import facts_of, sentences
from prefix_core.pretrain.forms import Fact, Style
from prefix_core.pretrain.text import forever, held_out_documents, is_held_out, read_documents

SYLLABLES = (
    "ba bel bri cor da del dun el far fen gra hal ing ka kel lan lo mar mi nor pen quin ra ris sel ta tor val wyn zan"
).split()
WORDS = (
    "Blue Golden Old Red Green Royal Silver North Little Grand River Moon Stone Garden Star Harbour Lion Oak Crown Mill"
).split()
ENDS = (
    "Inn Café House Bridge Street Kitchen Park Tower Hall Lane Press Works Arms Court Palace Garden School Club".split()
)
ORDINARY = (
    "colour size area food place owner code material year team price style near service level date kind guests rating "
    "author city capacity founder model genre language route speed length maker opened customers district position "
    "number label menu view floor stage partner"
).split()
NAMES = ("name", "name", "name", "Name", "title", "subject", "entity", "product")  # what a list calls what it is about


def made_up_name(rng: random.Random) -> str:
    """A name nobody has seen: `Tormar Silver Inn`, `Belwyn`."""
    invented = "".join(rng.choices(SYLLABLES, k=rng.choice([2, 2, 3]))).capitalize()
    pattern = rng.choice(["{a}", "{a} {e}", "The {w} {e}", "{w} {a}", "{a} {b}", "{a}'s {e}", "{w} {e}"])
    return pattern.format(a=invented, b=made_up_surname(rng), w=rng.choice(WORDS), e=rng.choice(ENDS))


def made_up_surname(rng: random.Random) -> str:
    """`Korsel`."""
    return "".join(rng.choices(SYLLABLES, k=2)).capitalize()


def short_titles(documents: list[str]) -> list[str]:
    """Titles of at most four words, without what stands in brackets: real names to put into other sentences."""
    titles = (re.sub(r" \([^)]*\)$", "", document.partition("\n")[0]) for document in documents)
    return sorted({title for title in titles if title.isascii() and len(title) > 3 and len(title.split()) <= 4})


def ordered(facts: list[Fact], rng: random.Random) -> list[Fact]:
    """The order of the text, the name first and the rest shuffled, or all shuffled."""
    how = rng.random()
    if how < 0.4:
        return facts
    if how < 0.7:
        return [facts[0], *rng.sample(facts[1:], len(facts) - 1)]
    return rng.sample(facts, len(facts))


def subject_first(facts: list[Fact], rng: random.Random) -> list[Fact]:
    """The name, which triples take for their subject, and the rest as it is or shuffled; [] where there is no name."""
    name = next((fact for fact in facts if fact[0] in NAMES), None)
    rest = [fact for fact in facts if fact is not name]
    return [name, *(rest if rng.random() < 0.5 else rng.sample(rest, len(rest)))] if name else []


def arranged(facts: list[Fact], style: Style, rng: random.Random) -> list[Fact]:
    """In an order that the style can say."""
    return subject_first(facts, rng) if style.form == "triples" else ordered(facts, rng)


def told(pairs: list[tuple[list[Fact], str]], rng: random.Random) -> str:
    """One document of one or more (facts, prose), all in the same style; now and then the prose first."""
    style = Style.draw(rng)
    while style.form == "triples" and not all(subject_first(facts, rng) for facts, _ in pairs):
        style = Style.draw(rng)
    if len(pairs) == 1 and rng.random() < 0.06:
        facts, prose = pairs[0]
        return prose + rng.choice(["\nFacts:\n", "\n", "\nData: ", "\n\n"]) + style.write(arranged(facts, style, rng))
    return "\n\n".join(style.example(arranged(facts, style, rng), prose) for facts, prose in pairs)


def dialogue_act_pairs(documents: list[str], rng: random.Random, held_out: bool = False) -> Iterator[str]:
    """Facts and prose on games, laptops, televisions and transport; a quarter of the documents show several."""
    names = short_titles(documents)
    sources = dialogue_acts.read_pairs(dialogue_acts.HELD_OUT) if held_out else dialogue_acts.clean_pairs()

    def new_name() -> str:
        return rng.choice(names) if rng.random() < 0.5 else made_up_name(rng)

    while True:
        shuffled = iter(rng.sample(sources, len(sources)))
        for source in shuffled:
            pairs = [dialogue_acts.vary(source, new_name, rng)]
            for _ in range(rng.choice([0, 0, 0, 0, 0, 0, 1, 2])):
                more = next(shuffled, None)
                if more:
                    pairs.append(dialogue_acts.vary(more, new_name, rng))
            yield told(pairs, rng)


def without_foreign_script(paragraph: str) -> str:
    """Drop brackets that hold pronunciations or other scripts, which a small vocabulary spells byte by byte."""
    return re.sub(r" \([^()]*[^\x00-\u024f\u2013\u2019][^()]*\)", "", paragraph)


def entity_facts(documents: list[str], rng: random.Random) -> Iterator[str]:
    """Facts mined from an encyclopedic opening, then its one to three sentences; or those, and questions on them."""
    waiting = []
    for document in forever(documents, rng):
        title, _, body = document.partition("\n")
        prose = " ".join(sentences(without_foreign_script(body.partition("\n")[0]))[: rng.choice([1, 1, 1, 2, 2, 3])])
        if len(prose) > 420 or sum(not character.isascii() for character in prose) > 6:
            continue
        facts = facts_of(title, prose, rng.choice)
        if not facts:
            continue
        if rng.random() < 0.05:
            field, value = rng.choice(facts[1:] or facts)
            ask = rng.choice(["What is the {f} of {n}?", "{n}: {f}?", "Which {f} is named for {n}?"])
            question = ask.format(f=field, n=facts[0][1])
            yield prose + rng.choice(["\nQuestion: {}\nAnswer: {}", "\nQ: {}\nA: {}"]).format(question, value)
            continue
        waiting.append((facts, prose))
        if len(waiting) > 1 or rng.random() < 0.85:
            yield told(waiting, rng)
            waiting = []


def headlines(documents: list[str], rng: random.Random) -> Iterator[str]:
    """An article, then its title, or its first sentence as the summary of the rest."""
    for document in forever(documents, rng):
        title, _, body = document.partition("\n")
        body = body[: rng.randrange(500, 1500)].rpartition(". ")[0]
        first, *rest = sentences(body.replace("\n", " ")) or [""]
        if len(rest) < 2 or not 30 < len(first) < 250:
            continue
        if rng.random() < 0.15:
            yield rng.choice(["Title: {}\n\n{}.", "Headline: {}\n{}.", "# {}\n\n{}.", "{}: {}."]).format(title, body)
        elif rng.random() < 0.4:
            yield body + "." + rng.choice(["\nTitle: ", "\nHeadline: ", "\n\nHeadline: ", "\n=> "]) + title
        else:
            cue = rng.choice(
                ["\nSummary: ", "\nIn short: ", "\nTL;DR: ", "\n\nSummary:\n", "\nIn one sentence: ", " => "]
            )
            yield " ".join(rest) + "." + cue + first


QUESTIONS: list[Callable[[str, str], str]] = [
    lambda label, country: f"{label} of {country}?",
    lambda label, country: f"What is the {label.lower()} of {country}?",
    lambda label, country: f"{country}: {label.lower()}?",
    lambda label, country: f"{country}, {label}:",
    lambda label, country: f"Tell me of {country}: its {label.lower()}.",
]


def country_questions(documents: list[str], rng: random.Random) -> Iterator[str]:
    """Question and answer from the labelled lines of country profiles (`Climate: ...`)."""
    for document in forever(documents, rng):
        country, *lines = document.split("\n")
        labelled = [
            line.split(": ", 1) for line in lines if re.match(r"[A-Z][a-z -]{3,30}: ", line) and len(line) < 300
        ]
        if labelled:
            ask, answer = rng.choice([("Question: ", "Answer: "), ("Q: ", "A: "), ("", ""), ("- ", "  "), ("? ", "= ")])
            form = rng.choice(QUESTIONS)
            chosen = rng.sample(labelled, min(len(labelled), rng.randint(1, 3)))
            yield "\n".join(f"{ask}{form(label, country)}\n{answer}{text}" for label, text in chosen)


def copying(documents: list[str], rng: random.Random) -> Iterator[str]:
    """The same made-up facts twice, in two forms and orders: nothing but the list itself says what comes next."""
    titles = short_titles(documents)
    while True:
        facts = [(rng.choice(NAMES), made_up_name(rng))]
        for field in rng.sample(ORDINARY, rng.randint(1, 5)):
            number = f"{rng.choice(['', '', '$', '£'])}{rng.randrange(10 ** rng.randint(1, 5))}"
            value = [made_up_name(rng), rng.choice(titles), number, rng.choice(WORDS).lower()]
            facts.append((field, rng.choice(value)))
        one, two = Style.draw(rng), Style.draw(rng)
        facts = arranged(facts, one, rng)
        again = facts if rng.random() < 0.5 and two.form != "triples" else arranged(facts, two, rng)
        yield one.example(facts, two.write(again))


def stream(name: str, held_out: bool, rng: random.Random) -> Iterator[str]:
    """Documents of one source of the mixture without end: structured, or open text as it is."""
    source, make = STREAMS.get(name, (name, forever))
    trained_on = (document for document in read_documents(source) if not is_held_out(document))
    documents = list(held_out_documents(source) if held_out else trained_on)
    if not documents:
        raise InputError(f"{name!r} has no {'held-out ' if held_out else ''}documents")
    return make(documents, rng, held_out) if make is dialogue_act_pairs else make(documents, rng)


# name in the mixture -> (the open source it is made from, how)
STREAMS = {
    "entity_facts": ("wikipedia_entity_intros", entity_facts),
    "dialogue_acts": ("wikipedia_entity_intros", dialogue_act_pairs),
    "copying": ("wikipedia_entity_intros", copying),
    "news_headlines": ("wikinews", headlines),
    "recent_headlines": ("wikipedia_recent", headlines),
    "country_questions": ("cia_world_factbook", country_questions),
}
