"""Choosing tokens: greedy, sampling and beam search over a batch of rows that share one network."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

from prefix_core.errors import InputError
from prefix_core.methods.settings import LARGEST_SEED
from prefix_core.model.base import AnyNetwork, Base
from prefix_core.model.encoding import TooLong
from prefix_core.model.packed_batch import Rows
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.model.shared_pass import one_pass

MOST_BEAMS = 64
COLDEST, HOTTEST = 0.01, 100.0  # temperatures


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen. beams 1 and temperature 0: greedy. The paper: 5 beams (XSUM: 6, length penalty 0.8).

    max_new_tokens: None for the task's own. top_p: the smallest set of tokens with that much probability is drawn
    from. too_long: None for the task's own way: an article is cut, a table refused. seed: row i of a request draws from
    its own generator, seeded with (seed, i), whatever else is in the batch.
    """

    max_new_tokens: int | None = None
    beams: int = 1
    length_penalty: float = 1.0
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    too_long: TooLong | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.beams <= MOST_BEAMS or (self.max_new_tokens is not None and self.max_new_tokens < 1):
            raise InputError(f"beams must be from 1 to {MOST_BEAMS}, and max new tokens at least 1")
        if not (self.temperature == 0 or COLDEST <= self.temperature <= HOTTEST) or not 0 < self.top_p <= 1:
            raise InputError(
                f"temperature must be 0 or from {COLDEST} to {HOTTEST}, and top-p above 0 and at most 1; they are "
                f"{self.temperature} and {self.top_p}"
            )
        if not -10 <= self.length_penalty <= 10:
            raise InputError(f"the length penalty is {self.length_penalty}; it must be from -10 to 10")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"the seed is {self.seed}; it must be from 0 to {LARGEST_SEED}")
        if self.beams > 1 and self.temperature > 0:
            raise InputError("beam search does not sample: set beams to 1, or temperature to 0")


@dataclass
class Row:
    """One input on its way through its network.

    stops: the tokens that end it besides the end token, once something is written.
    """

    tokens: list[int]
    prefix: Prefix | None
    limit: int
    stops: Set[int]
    network: AnyNetwork
    index: int = 0
    written: list[int] = field(default_factory=list)
    done: bool = False

    def take(self, token: int, ends: Set[int]) -> None:
        """Write one token, and notice the end."""
        if token in ends or self.stopped_by(token, self.written):
            self.done = True
            return
        self.written.append(token)
        self.done = len(self.written) >= self.limit

    def stopped_by(self, token: int, written: Sequence[int]) -> bool:
        """Whether `token` ends the text: a line break does, but not one before the first word."""
        return token in self.stops and any(before not in self.stops for before in written)


class Search:
    """Greedy search or sampling. `advance` writes one token to every row that is not done."""

    def __init__(self, base: Base, rows: Sequence[Row], decoding: Decoding) -> None:
        self.base, self.decoding = base, decoding
        order = {id(network): place for place, network in enumerate(row.network for row in rows)}
        self.rows = sorted(rows, key=lambda row: order[id(row.network)])  # those of one network side by side
        self.alive = list(self.rows)
        self.generators = {
            row.index: torch.Generator().manual_seed(decoding.seed * 1_000_003 + row.index) for row in rows
        }
        self.cache: Rows | None = None
        self.logits: Tensor | None = None

    def prefill(self) -> Tensor:
        """Run the inputs; returns the logits after each row's last token, (rows, vocabulary)."""
        inputs, prefixes = [row.tokens for row in self.rows], [row.prefix for row in self.rows]
        room = max(row.limit for row in self.rows)
        network = one_pass([row.network for row in self.rows], [len(tokens) for tokens in inputs])
        self.cache, hidden = forward(self.base, network, inputs, [[[]]] * len(inputs), prefixes, room)
        return network.logits(hidden)

    def step(self, tokens: Sequence[int], networks: Sequence[AnyNetwork]) -> Tensor:
        """Run one more token a row, each through its network: rows -> (rows, vocabulary)."""
        assert self.cache is not None
        network, positions = one_pass(networks, [1] * len(networks)), self.cache.advance()
        return network.logits(network.hidden(torch.tensor(tokens, device=self.base.device), positions, self.cache.step))

    @torch.inference_mode()
    def advance(self) -> None:
        if self.cache is None:
            logits = self.prefill()
        else:
            logits = self.step([row.written[-1] for row in self.alive], [row.network for row in self.alive])
        for row, token in zip(self.alive, self.choose(logits), strict=True):
            row.take(token, self.base.ends)
        going = [place for place, row in enumerate(self.alive) if not row.done]
        if going and len(going) < len(self.alive):
            assert self.cache is not None
            self.cache.keep(torch.tensor(going, device=self.base.device))
        self.alive = [self.alive[place] for place in going]

    def choose(self, logits: Tensor) -> list[int]:
        if self.decoding.temperature == 0:
            # numpy's argmax is many times faster than torch's on a CPU
            return (logits.float().numpy().argmax(-1) if logits.device.type == "cpu" else logits.argmax(-1)).tolist()
        return [self.draw(row, scores) for row, scores in zip(self.alive, logits, strict=True)]

    def draw(self, row: Row, logits: Tensor) -> int:
        """One token from the nucleus (Holtzman et al. 2020): the likeliest ones that together reach top_p."""
        chances, tokens = (logits.float().cpu() / self.decoding.temperature).softmax(-1).sort(descending=True)
        chances[1:] = chances[1:].masked_fill(chances.cumsum(0)[:-1] >= self.decoding.top_p, 0.0)
        return int(tokens[torch.multinomial(chances, 1, generator=self.generators[row.index])])


@dataclass
class Hypotheses:
    """The beams of one row: running ones with the sum of their log-probabilities, and the best finished ones."""

    running: list[tuple[float, list[int]]]
    finished: list[tuple[float, list[int]]] = field(default_factory=list)


class BeamSearch(Search):
    """Beam search as `transformers` does it (early_stopping=False), every row on its own.

    A finished text scores (sum of log-probabilities) / (tokens, the end included) ** length_penalty. A row is done when
    as many texts as beams are finished and its best running one, scored at its present length, beats none of them.
    """

    def __init__(self, base: Base, rows: Sequence[Row], decoding: Decoding) -> None:
        super().__init__(base, rows, decoding)
        self.beams = [Hypotheses([(0.0, [])]) for _ in rows]

    @torch.inference_mode()
    def advance(self) -> None:
        if self.cache is None:
            logits = self.prefill()
        else:
            running = [
                (row, text[-1]) for row, beams in zip(self.alive, self.beams, strict=True) for _, text in beams.running
            ]
            logits = self.step([token for _, token in running], [row.network for row, _ in running])
        scores = logits.float().log_softmax(-1)
        order, start, going = [], 0, []
        sizes = [len(beams.running) for beams in self.beams]
        for row, beams in zip(self.alive, self.beams, strict=True):
            stop = start + len(beams.running)
            sources = self.extend(row, beams, scores[start:stop])
            if not row.done:
                going.append((row, beams))
                order += [start + source for source in sources]
            start = stop
        self.alive, self.beams = [row for row, _ in going], [beams for _, beams in going]
        if order and self.cache is not None and order != list(range(start)):
            same = sizes == [len(beams.running) for beams in self.beams]
            (self.cache.trade if same else self.cache.keep)(torch.tensor(order, device=self.base.device))

    def extend(self, row: Row, beams: Hypotheses, scores: Tensor) -> list[int]:
        """One more token on a row's beams, (beams, vocabulary); returns which beam each new one grew from."""
        width = self.decoding.beams
        before = torch.tensor([score for score, _ in beams.running], device=scores.device)
        best, places = (scores + before[:, None]).flatten().topk(min(2 * width, scores.numel()))
        running: list[tuple[float, list[int]]] = []
        sources: list[int] = []
        for rank, (score, place) in enumerate(zip(best.tolist(), places.tolist(), strict=True)):
            source, token = divmod(place, scores.shape[1])
            text = beams.running[source][1]
            length = len(text) + 1
            ends = token in self.base.ends or row.stopped_by(token, text)
            if ends or length >= row.limit:
                if rank < width:
                    whole = text if ends else [*text, token]
                    beams.finished.append((score / length**self.decoding.length_penalty, whole))
            elif len(running) < width:
                running.append((score, [*text, token]))
                sources.append(source)
        beams.finished = sorted(beams.finished, key=lambda pair: -pair[0])[:width]
        beams.running = running
        best_running = running[0][0] / length**self.decoding.length_penalty if running else -inf
        full = len(beams.finished) == width
        row.done = not running or (full and best_running <= beams.finished[-1][0])
        row.written = max(beams.finished)[1] if row.done else running[0][1]
        return sources
