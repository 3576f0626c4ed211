"""A training run as a line on standard error: a bar that grows, and every held-out loss."""

import sys
from collections.abc import Iterator

from tqdm import tqdm

from prefix_core.training.train import Trained, TrainingEvent


def follow(events: Iterator[TrainingEvent], name: str, silent: bool = False) -> Trained:
    """Show the events as they come, unless `silent`; returns the result of the last one."""
    result = None
    with tqdm(desc=name, unit="step", file=sys.stderr, disable=silent) as bar:
        for event in events:
            bar.total = event.steps
            bar.update(event.step - bar.n)
            bar.set_postfix(loss=f"{event.loss:.3f}", refresh=False)
            if event.held_out_loss is not None and event.result is None and not silent:
                bar.write(f"step {event.step}: held-out loss {event.held_out_loss:.4f}", file=sys.stderr)
            result = event.result
    assert result is not None
    return result
