"""`python -m prefix_core.ui.precompute`: the comparisons the page opens on. Run it when weights have changed."""

import os
import platform
import time

from prefix_core.artifacts import folder_of
from prefix_core.errors import PrefixError
from prefix_core.generate import Decoding
from prefix_core.ui.cards import SHIPPED, TaskCard
from prefix_core.ui.engine import Engine, from_environment, load_engine
from prefix_core.ui.opening import FILE, Opening, fingerprint, save_openings
from prefix_core.ui.references import references_of, scored
from prefix_core.ui.run import compare_all


def opening(engine: Engine, card: TaskCard) -> Opening | None:
    """The task's last example, written greedily by every method there is; None where nothing is trained for it."""
    methods = [method for method, obstacle in card.offered(engine).items() if not obstacle]
    if methods == ["prompt"]:
        return None
    source = card.examples[-1].source
    decoding = Decoding(too_long="cut" if card.task.cut else "refuse")
    for _ in range(2):  # the second run counts: by then everything is loaded
        panes = compare_all(engine, card, source, methods, decoding)
    folders = [folder_of(engine.base, card.key, method, engine.root) for method in methods if method != "prompt"]
    names = tuple(folder.relative_to(engine.root).as_posix() for folder in folders)
    return Opening(
        base=engine.base.name,
        base_hash=engine.base.weights_hash,
        folders=names,
        weights=fingerprint(engine.base.name, engine.root, names),
        task=card.key,
        text=card.task.to_text(source),
        panes=tuple(scored(panes, references_of(card, source))),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        created=time.strftime("%Y-%m-%d"),
    )


def main() -> None:
    try:
        (base, *_), root = from_environment()
        engine = load_engine(base, root)
        computed = [found for card in SHIPPED.values() if (found := opening(engine, card))]
    except PrefixError as error:
        raise SystemExit(str(error)) from error
    save_openings(computed)
    for found in computed:
        print(f"{FILE.name}, {found.task}: {', '.join(pane.method for pane in found.panes)} on {found.base}")


if __name__ == "__main__":
    main()
