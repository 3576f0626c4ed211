"""The packed decoder: GPT-2 and Llama as this project runs them, nothing computed that is not used.

Tokens of all rows lie one after another in one dimension N, so the matrix products never see padding; what a token may
attend to is the caller's business (`attend`, see `packed_batch.py`). Pre-norm blocks of two families: learned
positions, LayerNorm and GELU (Radford et al. 2019), and rotary positions, RMSNorm, SwiGLU and grouped queries
(Touvron et al. 2023). `read_network` reads either from tensors under the names that `transformers` gives them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedConfig

from prefix_core.model.products import Dense, HalfDense, Product, StoredDense, for_writing, product

# (layer, queries (N, heads, head_dim), keys and values (N, kv_heads, head_dim)) -> (N, heads * head_dim)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]

MOST_PREPACKED = 200_000_000  # parameters of a network whose matrices are laid out a second time for writing


class Bottleneck(NamedTuple):
    """A Houlsby adapter: y + up(gelu(down(y))). `down` (width, hidden), `up` (hidden, width)."""

    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor

    def __call__(self, y: Tensor) -> Tensor:
        return y + F.linear(F.gelu(F.linear(y, self.down, self.down_bias)), self.up, self.up_bias)


class LayerNorm(NamedTuple):
    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


class RMSNorm(NamedTuple):
    weight: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class GeluMLP(NamedTuple):
    up: Product
    down: Product

    def __call__(self, x: Tensor) -> Tensor:
        return self.down(self.up.gelu(x))


class SwiGLU(NamedTuple):
    """gate_up: both matrices as one, (2 * inner, hidden)."""

    gate_up: Product
    down: Product

    def __call__(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class LearnedPositions(NamedTuple):
    """table: (positions, hidden), added to the embeddings."""

    table: Tensor

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        return x + F.embedding(positions, self.table)

    def turns(self, positions: Tensor) -> None:
        """Queries and keys stay as they are."""


class Rotary(NamedTuple):
    """frequencies: (head_dim / 2,) in fp32; a position turns every pair of a query and a key by its angle."""

    frequencies: Tensor

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        return x

    def turns(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines, each (N, 1, head_dim) in fp32."""
        angles = torch.outer(positions.float(), self.frequencies)
        cosine, sine = angles.cos(), angles.sin()
        return torch.cat([cosine, cosine], 1)[:, None], torch.cat([-sine, sine], 1)[:, None]


Norm = LayerNorm | RMSNorm
MLP = GeluMLP | SwiGLU
Positions = LearnedPositions | Rotary
Turns = tuple[Tensor, Tensor] | None


def turn(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions of queries or keys, (N, heads, head_dim): x cos + swap(x) sin, halves swapped."""
    cosine, sine = turns
    swapped = x.roll(x.shape[-1] // 2, -1)
    return torch.addcmul(x * cosine.to(x.dtype), swapped, sine.to(x.dtype))


class Layer(NamedTuple):
    """One pre-norm block: attention, then MLP, each with an adapter behind it or none."""

    norm_1: Norm
    qkv: Product
    out: Product
    norm_2: Norm
    mlp: MLP
    adapter_1: Bottleneck | None = None
    adapter_2: Bottleneck | None = None

    def queries_keys_values(self, x: Tensor, heads: int, kv_heads: int, turns: Turns) -> tuple[Tensor, Tensor, Tensor]:
        """(N, hidden) -> (N, heads, head_dim), twice (N, kv_heads, head_dim)."""
        qkv = self.qkv(self.norm_1(x)).unflatten(1, (heads + 2 * kv_heads, -1))
        if turns is None:
            q, k, v = qkv.split([heads, kv_heads, kv_heads], 1)
            return q, k, v
        qk, v = qkv.split([heads + kv_heads, kv_heads], 1)
        q, k = turn(qk, turns).split([heads, kv_heads], 1)
        return q, k, v

    def after_attention(self, x: Tensor, y: Tensor) -> Tensor:
        """x: (n, hidden) before the block; y: (n, heads * head_dim) -> (n, hidden) after it."""
        y = self.out(y)
        x = x + (y if self.adapter_1 is None else self.adapter_1(y))
        y = self.mlp(self.norm_2(x))
        return x + (y if self.adapter_2 is None else self.adapter_2(y))


class Network(NamedTuple):
    """A decoder's tensors in the order they are used. Shares storage with what it was read from."""

    tokens: Tensor  # (vocabulary, hidden), perhaps in 16 bits
    positions: Positions
    layers: tuple[Layer, ...]
    norm: Norm
    head: Product  # (vocabulary, hidden)
    heads: int
    kv_heads: int

    @property
    def dtype(self) -> torch.dtype:
        """Of hidden states, keys and values."""
        return self.norm.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    def hidden(
        self,
        tokens: Tensor,
        positions: Tensor,
        attend: Attend,
        keep: Tensor | None = None,
        begin: int = 0,
        end: int | None = None,
    ) -> Tensor:
        """Final hidden states of packed tokens.

        tokens, positions: (N,); tokens may be embeddings, (N, hidden). keep: (n,) indices of the tokens whose state is
        wanted (all if None); the last layer runs only for those. begin: the layer to begin at, where `tokens` are the
        states that enter it. end: the layer to stop before; what would enter it is returned. Returns (n, hidden).
        """
        x = tokens
        if not begin:
            x = self.positions.add(tokens if tokens.is_floating_point() else self.embed(tokens), positions)
        turns = self.positions.turns(positions)
        for index, layer in enumerate(self.layers[begin:end], begin):
            y = attend(index, *layer.queries_keys_values(x, self.heads, self.kv_heads, turns))
            if keep is not None and index == len(self.layers) - 1:
                x, y = x[keep], y[keep]
            x = layer.after_attention(x, y)
        return x if end is not None else self.norm(x)

    def embed(self, tokens: Tensor) -> Tensor:
        """(N,) -> (N, hidden), without positions."""
        return F.embedding(tokens, self.tokens).to(self.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """(n, hidden) -> (n, vocabulary)."""
        return self.head(hidden)


# ------------------------------------------------------------------------------------------------------ reading one

Named = Mapping[str, Tensor]  # tensors by the names they have in `transformers`


def fits(config: PreTrainedConfig) -> bool:
    """Whether a model of this configuration is one that `read_network` reads; others run as `transformers`' modules."""
    kind = config.model_type
    if kind == "gpt2":
        return True
    plain = str((getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")) == "default"
    whole = not (getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True))
    return kind in ("llama", "mistral", "qwen2") and plain and whole and config.hidden_act == "silu"


def read_network(config: PreTrainedConfig, tensors: Named) -> Network:
    """The packed decoder of a configuration that `fits`, made of `tensors`, whose storage it shares where it can.

    fp16 matrices are multiplied in 16 bits and need `half_products`; all else is in one dtype.
    """
    return _read_gpt2(config, tensors) if config.model_type == "gpt2" else _read_llama(config, tensors)


def layer_names(config: PreTrainedConfig, index: int) -> str:
    """What the names of one layer's tensors begin with."""
    return f"transformer.h.{index}." if config.model_type == "gpt2" else f"model.layers.{index}."


def read_layer(config: PreTrainedConfig, tensors: Named, index: int) -> Layer:
    """One block of such a decoder."""
    names = layer_names(config, index)
    of = {name.removeprefix(names): tensor for name, tensor in tensors.items() if name.startswith(names)}
    return _gpt2_layer(config, of) if config.model_type == "gpt2" else _llama_layer(config, of)


def _read_gpt2(config: Any, tensors: Named) -> Network:
    tokens = tensors["transformer.wte.weight"]
    epsilon = config.layer_norm_epsilon
    return Network(
        tokens=tokens,
        positions=LearnedPositions(tensors["transformer.wpe.weight"]),
        layers=tuple(read_layer(config, tensors, index) for index in range(config.n_layer)),
        norm=LayerNorm(tensors["transformer.ln_f.weight"], tensors["transformer.ln_f.bias"], epsilon),
        head=product([tensors.get("lm_head.weight", tokens)]),
        heads=config.n_head,
        kv_heads=config.n_head,
    )


def _gpt2_layer(config: Any, of: Named) -> Layer:
    def norm(name: str) -> LayerNorm:
        return LayerNorm(of[f"{name}.weight"], of[f"{name}.bias"], config.layer_norm_epsilon)

    def dense(name: str) -> Product:
        return product([of[f"{name}.weight"].t()], [of[f"{name}.bias"]])  # GPT-2 stores (in, out)

    mlp = GeluMLP(dense("mlp.c_fc"), dense("mlp.c_proj"))
    return Layer(norm("ln_1"), dense("attn.c_attn"), dense("attn.c_proj"), norm("ln_2"), mlp)


def _read_llama(config: Any, tensors: Named) -> Network:
    tokens = tensors["model.embed_tokens.weight"]
    norm = tensors["model.norm.weight"]
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    steps = torch.arange(0, size, 2, dtype=torch.float32, device=tokens.device) / size
    return Network(
        tokens=tokens,
        positions=Rotary(1.0 / config.rope_parameters["rope_theta"] ** steps),
        layers=tuple(read_layer(config, tensors, index) for index in range(config.num_hidden_layers)),
        norm=RMSNorm(norm, config.rms_norm_eps),
        head=product([tensors.get("lm_head.weight", tokens)]),
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
    )


def _llama_layer(config: Any, of: Named) -> Layer:
    def norm(name: str) -> RMSNorm:
        return RMSNorm(of[f"{name}.weight"], config.rms_norm_eps)

    def dense(*names: str) -> Product:  # biases: of queries, keys and values, in Qwen 2
        biases = [of[f"{name}.bias"] for name in names if f"{name}.bias" in of]
        return product([of[f"{name}.weight"] for name in names], biases)

    return Layer(
        norm("input_layernorm"),
        dense("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        dense("self_attn.o_proj"),
        norm("post_attention_layernorm"),
        SwiGLU(dense("mlp.gate_proj", "mlp.up_proj"), dense("mlp.down_proj")),
    )


# ------------------------------------------------------------------------------------------- the same in other forms

Tensors = TypeVar("Tensors", Network, Layer)


def cast(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """The same with every tensor in `dtype`; gradients flow back to the tensors as they were."""
    same: Tensors = _mapped(tensors, lambda tensor: tensor.to(dtype), lambda dense: _with(dense, dtype))
    return same


def cast_products(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """The same with the matrices that rows are multiplied with in `dtype`; embeddings and norms as they were."""
    same: Tensors = _mapped(tensors, lambda tensor: tensor, lambda dense: _with(dense, dtype))
    return same


def as_stored(network: Network) -> Network:
    """The same with nothing laid out for its 16-bit matrices: less memory, and slower."""
    same: Network = _mapped(network, lambda tensor: tensor, _stored)
    return same


@torch.no_grad()
def prepack(network: Network) -> Network:
    """The network for writing: its matrices laid out for few rows. The network itself where that gains nothing."""
    return _mapped(network, lambda tensor: tensor, for_writing) if prepackable(network) else network


@torch.no_grad()
def prepack_layer(layer: Layer) -> Layer:
    """A layer whose matrices are laid out for few rows."""
    packed: Layer = _mapped(layer, lambda tensor: tensor, for_writing)
    return packed


def prepackable(network: Network) -> bool:
    """Whether matrices can be laid out for few rows here, and the network is no larger than MOST_PREPACKED."""
    here = network.device.type == "cpu" and network.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    size = sum(dense.weight.numel() for dense in products_of(network) if isinstance(dense, Dense))
    return here and size <= MOST_PREPACKED


def _with(dense: Product, dtype: torch.dtype) -> Product:
    if isinstance(dense, HalfDense):
        return Dense(dense.whole().to(dtype), None if dense.bias is None else dense.bias.to(dtype))
    if isinstance(dense, Dense):
        return Dense(dense.weight.to(dtype), None if dense.bias is None else dense.bias.to(dtype))
    return dense._replace(dtype=dtype) if isinstance(dense, StoredDense) else dense


def _stored(dense: Product) -> Product:
    return StoredDense(dense.parts, dense.bias) if isinstance(dense, HalfDense) else dense


def _mapped(thing: Any, of_tensor: Callable[[Tensor], Tensor], of_product: Callable[[Product], Product]) -> Any:
    if isinstance(thing, Product):
        return of_product(thing)
    if isinstance(thing, Rotary):  # 16 bits would blur the angles of far positions
        return thing
    if isinstance(thing, Tensor):
        return of_tensor(thing)
    if isinstance(thing, tuple):
        parts = [_mapped(part, of_tensor, of_product) for part in thing]
        return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
    return thing


def products_of(network: Network) -> list[Product]:
    """Every matrix that rows are multiplied with."""
    found: list[Product] = []

    def note(dense: Product) -> Product:
        found.append(dense)
        return dense

    _mapped(network, lambda tensor: tensor, note)
    return found
