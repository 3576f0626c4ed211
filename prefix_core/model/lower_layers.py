"""The lower layers once: below the first layer that is trained, an example's states are the same in every epoch.

They are computed when an example first comes, without a gradient, and kept in fp32 (16 bits do not hold them: at a
text's first position values reach 22,000). From then on the network begins at the first trained layer.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.model.network import Attend, Network

MOST_BYTES = 256_000_000  # of states kept; examples beyond go through all layers every time

Tokens = tuple[int, ...]


class LowerLayers:
    """What the layers below `first` have made of texts so far, for one run: the prefix there must not change.

    states: an input with a text of it -> (tokens of both, hidden); the text's last token predicts nothing and is not
    read. An input's states are kept with each of its texts.
    """

    def __init__(self, first: int, most_bytes: int = MOST_BYTES) -> None:
        self.first, self.most_bytes = first, most_bytes
        self.states: dict[tuple[Tokens, Tokens], Tensor] = {}
        self.bytes = 0

    def over(self, network: Network, texts: Mapping[Tokens, Sequence[Sequence[int]]]) -> Network:
        """The network for this batch, input -> texts: it begins where all of it is known."""
        resumed = _Resumed(*network)
        resumed.below, resumed.rows = self, [(source, [tuple(text) for text in some]) for source, some in texts.items()]
        return resumed

    def known(self, rows: list[tuple[Tokens, list[Tokens]]]) -> Tensor | None:
        """The states of a packed batch, (N, hidden), if all are kept."""
        if any((source, text) not in self.states for source, texts in rows for text in texts):
            return None
        parts = []
        for source, texts in rows:
            whole = [self.states[source, text] for text in texts]
            parts += [whole[0][: len(source)], *(states[len(source) :] for states in whole)]
        return torch.cat(parts)

    def keep(self, rows: list[tuple[Tokens, list[Tokens]]], states: Tensor) -> None:
        """Remember the states of a packed batch, as far as there is room."""
        at = 0
        for source, texts in rows:
            of_source = states[at : at + len(source)]
            at += len(source)
            for text in texts:
                read = len(text) - 1
                both = torch.cat([of_source, states[at : at + read]])
                at += read
                if (source, text) not in self.states and self.bytes + both.nbytes <= self.most_bytes:
                    self.states[source, text] = both
                    self.bytes += both.nbytes


class _Resumed(Network):
    """A network that looks up what its lower layers make of a batch."""

    below: LowerLayers
    rows: list[tuple[Tokens, list[Tokens]]]

    def hidden(
        self,
        tokens: Tensor,
        positions: Tensor,
        attend: Attend,
        keep: Tensor | None = None,
        begin: int = 0,
        end: int | None = None,
    ) -> Tensor:
        states = self.below.known(self.rows)
        if states is None:
            with torch.no_grad():
                states = super().hidden(tokens, positions, attend, end=self.below.first)
            self.below.keep(self.rows, states)
        states = F.pad(states, (0, 0, 0, len(tokens) - len(states)))  # what the packed batch has to spare
        return super().hidden(states, positions, attend, keep, begin=self.below.first)
