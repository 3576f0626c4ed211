"""The comparisons the page opens on, computed where weights have changed. Part of `rebuild`; imports no Gradio."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from prefix_core.artifacts.artifacts import folder_of
from prefix_core.ui.cards import SHIPPED, TaskCard
from prefix_core.ui.engine import Engine, load_engine
from prefix_core.ui.opening import FILE, Opening, fingerprint, read_opening, save_openings
from prefix_core.ui.references import references_of, scored
from prefix_core.ui.run import compare_all
from prefix_core.writing.generate import Decoding


def precompute(base: str, root: Path | None, path: Path = FILE, report: Callable[[str], object] = print) -> None:
    """Write every task's opening on `base` to `path`; one that fits the weights, and knows all methods, stays."""
    engine = load_engine(base, root)
    openings = []
    for card in SHIPPED.values():
        known = read_opening(base, root, card.key, path)
        fits = known is not None and known.folders == folders(engine, card)
        found = known if fits else opening(engine, card)
        if found:
            openings.append(found)
            report(f"{path.name}, {found.task}: {'up to date' if fits else 'written anew'}")
    save_openings(openings, path)


def offered(engine: Engine, card: TaskCard) -> list[str]:
    return [method for method, obstacle in card.offered(engine).items() if not obstacle]


def folders(engine: Engine, card: TaskCard) -> tuple[str, ...]:
    """The artifacts that the opening shows, below the artifact root."""
    trained = [method for method in offered(engine, card) if method != "prompt"]
    places = (folder_of(engine.base, card.key, method, engine.root) for method in trained)
    return tuple(place.relative_to(engine.root).as_posix() for place in places)


def opening(engine: Engine, card: TaskCard) -> Opening | None:
    """The task's last example, written greedily by every method there is; None where nothing is trained for it."""
    names = folders(engine, card)
    if not names:
        return None
    source = card.examples[-1].source
    for _ in range(2):  # the second run counts: by then everything is loaded
        panes = compare_all(engine, card, source, offered(engine, card), Decoding())
    return Opening(
        base=engine.base.name,
        base_hash=engine.base.weights_hash,
        folders=names,
        weights=fingerprint(engine.root, names),
        task=card.key,
        text=card.task.to_text(source),
        panes=tuple(scored(panes, references_of(card, source))),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        created=time.strftime("%Y-%m-%d"),
    )
