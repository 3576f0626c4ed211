"""Choosing tokens: greedy, sampling and beam search over a batch of rows that share one network."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

from prefix_core.errors import InputError
from prefix_core.methods.settings import LARGEST_SEED
from prefix_core.model.base import AnyNetwork, Base, TooLong
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.packed_batch import Rows
from prefix_core.model.prefix import Prefix, StackedPrefix, stack
from prefix_core.model.reading import TargetRows, encode_sources, like_keys
from prefix_core.model.shared_pass import Part, run

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
    """Greedy search or sampling.

    `part` says what has to run next, and `take` chooses tokens by what came of it; in between, the parts of several
    searches may run in one pass. `advance` does both alone: it writes one token to every row that is not done.
    """

    def __init__(self, base: Base, rows: Sequence[Row], decoding: Decoding) -> None:
        self.base, self.decoding = base, decoding
        order = {id(network): place for place, network in enumerate(row.network for row in rows)}
        self.rows = sorted(rows, key=lambda row: order[id(row.network)])  # those of one network side by side
        self.alive = list(self.rows)
        self.generators = {
            row.index: torch.Generator().manual_seed(decoding.seed * 1_000_003 + row.index) for row in rows
        }
        self.left = [row.tokens for row in self.rows]  # of the inputs, not read yet
        self.before: StackedPrefix | None = None  # what was read of them
        self.cache: Rows | None = None

    @property
    def unread(self) -> int:
        """Tokens of the inputs that are not read yet."""
        return sum(map(len, self.left))

    def advance(self) -> None:
        with torch.inference_mode():
            self.take(run([self.part()])[0])

    def part(self, most: int | None = None) -> Part:
        """What has to run next. most: tokens of the inputs that are read at once, about; all if None."""
        if self.unread:
            return self.prefill(most)
        assert self.cache is not None
        going = self.going()
        networks, tokens = [row.network for row, _ in going], [token for _, token in going]
        return Part(networks, [1] * len(going), tokens, self.cache.advance(), self.cache.step)

    def going(self) -> list[tuple[Row, int]]:
        """The rows that a token is run for, each with that token: the last one."""
        return [(row, row.written[-1]) for row in self.alive]

    def prefill(self, most: int | None) -> Part:
        """The next chunk of the inputs; the last one leaves room for what is written. What is read is a prefix."""
        networks = [row.network for row in self.rows]
        if self.before is None:
            self.before = stack([row.prefix for row in self.rows], self.base.shape, like_keys(networks[0]))
        room = max(row.limit for row in self.rows)
        if isinstance(networks[0], ModuleNetwork) and self.base.begin:
            sources, states = encode_sources(networks[0], self.left, self.before)
            begin = [len(self.base.begin)] * len(self.rows)
            targets = TargetRows(begin, sources, self.before, self.base.shape, room)
            self.left, self.cache = [[] for _ in self.left], targets
            tokens = [*self.base.begin] * len(self.rows)
            return Part(networks, begin, tokens, targets.positions, targets, states)
        lengths = self.chunk(most)
        last = sum(lengths) == self.unread
        self.cache = Rows(lengths, self.before, room if last else 1)
        tokens = [token for row, length in zip(self.left, lengths, strict=True) for token in row[:length]]
        self.left = [row[length:] for row, length in zip(self.left, lengths, strict=True)]
        return Part(networks, lengths, tokens, self.cache.positions, self.cache)

    def chunk(self, most: int | None) -> list[int]:
        """How many tokens of each input are read next, so that all end in the same chunk."""
        lengths = [len(row) for row in self.left]
        whole = isinstance(self.rows[0].network, ModuleNetwork) or any(r.prefix and r.prefix.infix for r in self.rows)
        if whole or most is None or most >= sum(lengths) or max(lengths) == 1:
            return lengths
        some = [length * most // sum(lengths) for length in lengths]
        return some if any(some) else [min(1, length - 1) for length in lengths]

    def take(self, logits: Tensor) -> bool:
        """Choose tokens by the logits of what `part` said; returns whether any was written: not between chunks."""
        assert self.cache is not None
        if self.unread:
            self.before = self.cache.as_prefix()
            return False
        self.before = None
        self.choose_all(logits)
        return True

    def choose_all(self, logits: Tensor) -> None:
        """One token to every row, (rows, vocabulary); finished rows leave."""
        assert self.cache is not None
        for row, token in zip(self.alive, self.choose(logits), strict=True):
            row.take(token, self.base.ends)
        going = [place for place, row in enumerate(self.alive) if not row.done]
        if going and len(going) < len(self.alive):
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

    def going(self) -> list[tuple[Row, int]]:
        pairs = zip(self.alive, self.beams, strict=True)
        return [(row, text[-1]) for row, beams in pairs for _, text in beams.running]

    def choose_all(self, logits: Tensor) -> None:
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
        done = not running or (full and best_running <= beams.finished[-1][0])
        row.written = max(beams.finished)[1] if done else running[0][1]
        row.done = done
        return sources
