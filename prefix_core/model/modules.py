"""Every architecture but GPT-2 and Llama: the modules of `transformers`, with our attention registered in them.

The modules hand queries, keys and values to a function registered by a name; ours hands them on to `attend`. So packed
rows, prefixes, masks and caches are the same for every base (`packed_batch.py`, `reading.py`). The library's own cache
is not used: in it a prefix drops out of a sliding window, and one for the cross-attention hides the encoder's output.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# (layer, queries, keys, values, distance bias or None) -> (N, heads * head_dim), as `packed_batch.Rows` is called
Attend = Callable[..., Tensor]

ATTENTION = "prefix_core"  # the name our attention is registered by
ATTENTION_CLASSES = {  # model_type -> package of `transformers`, and the class of its attentions there
    "bart": ("bart", "BartAttention"),
    "gemma": ("gemma", "GemmaAttention"),
    "gemma3_text": ("gemma3", "Gemma3Attention"),
    "gpt2": ("gpt2", "GPT2Attention"),
    "llama": ("llama", "LlamaAttention"),
    "mistral": ("mistral", "MistralAttention"),
    "opt": ("opt", "OPTAttention"),
    "qwen2": ("qwen2", "Qwen2Attention"),
    "qwen3": ("qwen3", "Qwen3Attention"),
    "t5": ("t5", "T5Attention"),
}


class Window(NamedTuple):
    """Sliding-window attention: only the last `size` tokens are seen (and a prefix, which has no distance)."""

    size: int

    def __call__(self, distance: Tensor) -> Tensor:
        return torch.zeros_like(distance, dtype=torch.float32).masked_fill_(distance >= self.size, float("-inf"))[None]


class RelativeBias:
    """T5's learned bias by distance (Raffel et al. 2020, section 2.1), which a stack's first layer holds for all."""

    def __init__(self, first: Any) -> None:
        self.first = first

    def __call__(self, distance: Tensor) -> Tensor:
        buckets = self.first._relative_position_bucket(
            -distance,
            bidirectional=not self.first.is_decoder,
            num_buckets=self.first.relative_attention_num_buckets,
            max_distance=self.first.relative_attention_max_distance,
        )
        by_distance: Tensor = self.first.relative_attention_bias(buckets)
        return by_distance.movedim(-1, 0)


class NoPositions(nn.Embedding):
    """BART counts positions itself, as if a batch were one row: its table answers nothing; `_run` adds its rows."""

    def __init__(self, table: Any) -> None:
        super().__init__(len(table.weight), table.weight.shape[1], _weight=table.weight.detach())
        self.weight, self.offset = table.weight, table.offset

    def forward(self, *args: Any, **options: Any) -> Tensor:
        return self.weight.new_zeros(())


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    *,
    attend: Attend,
    scaling: float,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What `transformers` calls: query (1, heads, N, head_dim), key, value (1, kv_heads, n, head_dim)."""
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    q = q * (scaling * q.shape[-1] ** 0.5)  # `attend` divides by the root
    bias = Window(sliding_window) if sliding_window else module.distance_bias
    return attend(module.prefix_layer, q, k, v, bias).view(1, len(q), *q.shape[1:]), None


def register() -> str:
    """Make our attention known to `transformers`, before a model is loaded with it; returns its name there."""
    from transformers import AttentionInterface  # brings all that models need, which takes seconds

    AttentionInterface.register(ATTENTION, attention)
    return ATTENTION


class ModuleNetwork:
    """A model of `transformers`, loaded with `attn_implementation=ATTENTION`, run as `network.Network` is.

    Encoder-decoders also `encode`; their `hidden` is the decoder's, and needs what `encode` returned, the first time.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        self.model: Any = model
        self.decoder: Any = self.model.get_decoder()
        self.encoder: Any = None
        if model.config.is_encoder_decoder:
            self.encoder = self.model.get_encoder()
        kind = model.config.model_type
        own, cross = attentions(self.decoder, kind, cross=False), attentions(self.decoder, kind, cross=True)
        sources = attentions(self.encoder, kind, cross=False) if self.encoder is not None else []
        for layer, module in enumerate([*own, *cross, *sources]):
            module.prefix_layer, module.distance_bias = layer, None
            if kind == "t5":  # it counts distances itself, as if a batch were one row
                module.has_relative_attention_bias, module.compute_bias = True, no_bias
        for stack in (own, sources):
            bias = RelativeBias(stack[0]) if stack and kind == "t5" else None
            for module in stack:
                module.distance_bias = bias
        self.positioned = kind == "bart"
        for stack in (self.encoder, self.decoder) if self.positioned else ():
            if not isinstance(stack.embed_positions, NoPositions):
                stack.embed_positions = NoPositions(stack.embed_positions)

    @property
    def dtype(self) -> torch.dtype:
        """Of hidden states, keys and values."""
        return self.tokens.dtype

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    @property
    def tokens(self) -> Tensor:
        """(vocabulary, hidden)."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    def encode(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """States of packed source tokens: (N,), (N,) -> (N, hidden)."""
        return self._run(self.encoder, tokens, positions, attend)

    def hidden(
        self,
        tokens: Tensor,
        positions: Tensor,
        attend: Attend,
        keep: Tensor | None = None,
        sources: Tensor | None = None,
    ) -> Tensor:
        """As in `network.Network`; sources: (M, hidden), what `encode` made of the rows' sources."""
        more = {}
        if self.encoder is not None:  # once a row has cached its sources' keys and values, any state will do
            more["encoder_hidden_states"] = self.tokens[:1][None] if sources is None else sources[None]
        x = self._run(self.decoder, tokens, positions, attend, **more)
        return x if keep is None else x[keep]

    def embed(self, tokens: Tensor) -> Tensor:
        """As in `network.Network`."""
        embedded: Tensor = self.model.get_input_embeddings()(tokens)
        return embedded

    def logits(self, hidden: Tensor) -> Tensor:
        """(n, hidden) -> (n, vocabulary)."""
        if getattr(self.model.config, "scale_decoder_outputs", False):  # T5
            hidden = hidden * hidden.shape[-1] ** -0.5
        bias = getattr(self.model, "final_logits_bias", None)  # BART
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        return logits if bias is None else logits + bias

    def _run(self, stack: Any, tokens: Tensor, positions: Tensor, attend: Attend, **more: Any) -> Tensor:
        if self.positioned:
            table = stack.embed_positions
            embedded = stack.embed_tokens(tokens) + F.embedding(positions + table.offset, table.weight)
            more |= {"inputs_embeds": embedded[None]}
        else:
            given = "inputs_embeds" if tokens.is_floating_point() else "input_ids"
            more |= {given: tokens[None], "position_ids": positions[None]}
        states: Tensor = stack(attend=attend, use_cache=False, **more).last_hidden_state
        return states[0]


def attentions(stack: Any, model_type: str, cross: bool) -> list[Any]:
    """The attention modules of an encoder or a decoder in their order: cross-attentions, or the others."""
    package, name = ATTENTION_CLASSES[model_type]
    kind = getattr(import_module(f"transformers.models.{package}.modeling_{package}"), name)
    every: list[Any] = [module for module in stack.modules() if isinstance(module, kind)]
    return [module for module in every if (getattr(module, "is_decoder", False) and not module.is_causal) == cross]


def no_bias(*sizes: Any, **options: Any) -> None:
    """In place of T5's own bias."""
