"""`python -m prefix_core.ui.precompute`: compute the comparison the page opens on. Run it when weights have changed."""

import os
import platform
import time

from prefix_core.artifacts import folder_of
from prefix_core.errors import PrefixError
from prefix_core.generate import Decoding
from prefix_core.tasks import TASKS
from prefix_core.ui.engine import Engine, from_environment, load_engine
from prefix_core.ui.opening import FILE, Opening, fingerprint, save_opening
from prefix_core.ui.run import compare_all


def opening(engine: Engine, task_name: str = "e2e") -> Opening:
    """The task's last featured example, written greedily by every method there is. The second run counts."""
    task = TASKS[task_name]
    table = [example.source for example in task.pool() if example.featured][-1]
    methods = [method for method, obstacle in engine.offered(task).items() if not obstacle]
    for _ in range(2):
        panes = compare_all(engine, task, table, methods, Decoding())
    folders = [folder_of(engine.base, task.name, method, engine.root) for method in methods if method != "prompt"]
    names = tuple(folder.relative_to(engine.root).as_posix() for folder in folders)
    return Opening(
        base=engine.base.name,
        base_hash=engine.base.weights_hash,
        folders=names,
        weights=fingerprint(engine.base.name, engine.root, names),
        task=task.name,
        table=table,
        panes=tuple(panes),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        created=time.strftime("%Y-%m-%d"),
    )


def main() -> None:
    try:
        computed = opening(load_engine(*from_environment()))
    except PrefixError as error:
        raise SystemExit(str(error)) from error
    save_opening(computed)
    print(f"{FILE}: {', '.join(pane.method for pane in computed.panes)} on {computed.base}")


if __name__ == "__main__":
    main()
