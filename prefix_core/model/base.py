"""A base: a frozen language model, its tokenizer and its shape, and how a text becomes tokens that fit into it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from prefix_core.errors import InputError
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.network import Network, as_stored, prepack, read_network
from prefix_core.model.products import half_products
from prefix_core.model.smollm2 import WEIGHTS_HASH

if TYPE_CHECKING:  # the models of `transformers` take seconds to import, and few bases need them
    from transformers import PreTrainedModel

T5_CONTEXT = 512  # tokens: what T5 was trained on; it counts distances, so nothing in it sets a limit

AnyNetwork = Network | ModuleNetwork
TooLong = Literal["refuse", "cut"]


@dataclass(frozen=True)
class Shape:
    """What a prefix and an input must fit: counts, no units; `positions` is the context in tokens.

    layers: the decoder's; encoder_layers: 0 where there is no encoder.
    """

    layers: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    positions: int
    encoder_layers: int = 0

    @property
    def sites(self) -> dict[str, range]:
        """Which indices of a prefix's first dimension belong to which kind of attention."""
        if not self.encoder_layers:
            return {"decoder": range(self.layers)}
        ends = (0, self.layers, 2 * self.layers, 2 * self.layers + self.encoder_layers)
        return {site: range(*pair) for site, pair in zip(("decoder", "cross", "encoder"), pairwise(ends), strict=True)}

    @property
    def prefix_layers(self) -> int:
        """How many attentions take a prefix: one per layer, and in an encoder-decoder three kinds of them."""
        return sum(len(layers) for layers in self.sites.values())

    def prefix_parameters(self, length: int) -> int:
        """Parameters kept of a prefix of `length`: layers * 2 * P * kv_heads * head_dim."""
        return self.prefix_layers * 2 * length * self.kv_heads * self.head_dim


@dataclass(frozen=True, eq=False)
class Base:
    """A frozen language model. `name` is what artifacts remember it by; nothing here ever changes its weights.

    tensors: its parameters by the names they have in `transformers`, as they are kept (perhaps mapped from a file, in
    16 bits). dtype: what their values were rounded to; device: where they are computed with. widened: whether bf16
    values are computed with in fp32, on a processor without bf16 arithmetic.
    before, after: the tokens around an input; begin: those an encoder-decoder's output starts from. All as the
    tokenizer has them. ends: the tokens that end a text. modules: the model as `transformers` runs it, of an
    architecture that has no packed decoder here. lean: whether 16-bit matrices are multiplied as they are stored, which
    takes far less memory to train through.
    """

    name: str
    config: PreTrainedConfig
    tensors: Mapping[str, Tensor] = field(repr=False)
    tokenizer: PreTrainedTokenizerBase
    shape: Shape
    weights_hash: str
    dtype: torch.dtype
    device: torch.device
    before: tuple[int, ...]
    after: tuple[int, ...] = ()
    begin: tuple[int, ...] = ()
    ends: frozenset[int] = frozenset()
    widened: bool = False
    modules: "PreTrainedModel | None" = field(default=None, repr=False)
    lean: bool = False

    @cached_property
    def network(self) -> AnyNetwork:
        """The network as it is trained through; what is trained on the base never changes it."""
        if self.modules is not None:
            return ModuleNetwork(self.modules)
        network = read_network(self.config, {name: self.computed(tensor) for name, tensor in self.tensors.items()})
        return as_stored(network) if self.lean else network

    @property
    def stored(self) -> AnyNetwork:
        """The same network with nothing laid out in memory, for a pass or two."""
        return as_stored(self.network) if isinstance(self.network, Network) else self.network

    @cached_property
    def model(self) -> "PreTrainedModel":
        """The base as `transformers` runs it, in fp32: to compare with."""
        return self.modules or self.to_transformers()

    @cached_property
    def writer(self) -> AnyNetwork:
        """The same network laid out for writing; what shares it shares a batch."""
        return prepack(self.network) if isinstance(self.network, Network) else self.network

    def computed(self, tensor: Tensor) -> Tensor:
        """A tensor as this base computes with it: on its device, in its arithmetic.

        A matrix that fp16 holds exactly is kept in 16 bits where it is multiplied so (see `products`).
        """
        packed = self.modules is None and self.dtype == torch.float32 and self.device.type == "cpu"
        if packed and tensor.ndim == 2 and half_products():
            half = tensor.half()
            if tensor.dtype == torch.float16 or bool((half == tensor).all()):
                return half
        tensor = tensor.to(self.device, self.dtype)
        return tensor.float() if self.widened else tensor

    def widened_tensors(self) -> dict[str, Tensor]:
        """A copy of all parameters in fp32 on the base's device, in the base's values."""
        return {
            name: tensor.to(self.device, self.dtype).to(torch.float32, copy=True)
            for name, tensor in self.tensors.items()
        }

    def to_transformers(self) -> "PreTrainedModel":
        """A `transformers` model of its own with this base's weights, in fp32: to fine-tune, or to compare with."""
        from transformers import AutoConfig, AutoModelForCausalLM
        from transformers.initialization import no_init_weights

        if self.modules is not None:
            raise InputError(f"base {self.name!r} is run as transformers' own modules already")
        known = {name: value for name, value in self.config.to_dict().items() if name != "model_type"}
        config = AutoConfig.for_model(self.config.model_type, **known)  # of its own class
        with no_init_weights():
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(self.widened_tensors(), strict=False, assign=True)
        model.tie_weights()
        model.name_or_path = model.config._name_or_path = self.name  # else PEFT records our folder
        nn.Module.to(model, self.device)
        frozen: PreTrainedModel = model.eval().requires_grad_(False)
        return frozen

    @cached_property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())

    @property
    def tuned(self) -> bool:
        """Whether the settings that methods are trained with were found on this base (see `methods/settings.py`)."""
        return self.weights_hash == WEIGHTS_HASH

    @property
    def embedding_size(self) -> int:
        """Numbers in the embedding of all tokens, which is often the output layer's matrix, too."""
        return self.shape.vocabulary * self.shape.hidden

    def layered(self, what: str, network: AnyNetwork | None = None) -> Network:
        """The network (or the one given) for `what` reaches into its layers; raises `InputError` if it has none."""
        network = network or self.network
        if not isinstance(network, Network):
            kind = self.config.model_type
            raise InputError(
                f"{what} is made for the layers of GPT-2 and Llama; base {self.name!r} is of architecture {kind!r}"
            )
        return network

    @property
    def bytes(self) -> int:
        """Bytes of one full copy of the weights as they are kept."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())

    @property
    def end(self) -> int:
        """The token that ends a text, as it is learned."""
        return int(self.tokenizer.eos_token_id)

    def encode(self, text: str) -> list[int]:
        """Token ids, nothing added. Text that spells a special token is read as plain text."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    def decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def read_shape(config: PreTrainedConfig) -> Shape:
    """The shape of a model, by its configuration."""
    heads = config.num_attention_heads
    decoder = {"bart": "decoder_layers", "t5": "num_decoder_layers"}.get(config.model_type, "num_hidden_layers")
    return Shape(
        layers=getattr(config, decoder),
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
        positions=getattr(config, "max_position_embeddings", T5_CONTEXT),
        encoder_layers=config.num_hidden_layers if config.is_encoder_decoder else 0,
    )


def fastest_precision(device: torch.device) -> str:
    """What training runs fastest in here: "bf16" where it is multiplied in hardware, else "fp32"."""
    return "bf16" if device.type == "cuda" or native_bf16() else "fp32"


def native_bf16() -> bool:
    """Whether this processor multiplies bf16 matrices in hardware (AVX512-BF16 or AMX)."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def hash_weights(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes as stored: the same for any sharding of the same weights."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.view(torch.uint8).numpy().data)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------------ tokens that fit


@dataclass(frozen=True)
class Encoded:
    """tokens: what the model is given; cut: how many tokens of the input were left out at its end."""

    tokens: list[int]
    cut: int = 0


def encode_input(
    base: Base,
    text: str,
    ending: str = "",
    words: str = "",
    prefix_length: int = 0,
    reserve: int = 0,
    too_long: TooLong = "refuse",
    where: str = "the input",
    infix: bool = False,
    closing: Sequence[int] | None = None,
) -> Encoded:
    """`words + text + ending` as tokens, leaving room in the context for the prefix and `reserve` tokens of output.

    Without a prefix a text begins with the end token (or what the base's tokenizer puts first), as every document did
    when the base was trained; a prefix made from words begins with it too, and the input follows; before an infix
    stands the input. In an encoder-decoder the input has a context of its own, and the tokenizer's tokens around it.

    too_long "cut" shortens `text` at its end, keeping words and ending; "refuse" raises `InputError`, as does an
    input of which nothing would be left. closing: tokens that stand in the place of `ending`.
    """
    positions = base.shape.positions
    room, shared = (
        positions - prefix_length - reserve,
        f", of which the prefix takes {prefix_length} and the output {reserve}",
    )
    if base.begin:
        if room < len(base.begin):
            raise InputError(f"{where}: the output may take {positions} tokens{shared}: shorten one of them")
        room, shared = positions, " for it"
    first = [] if prefix_length and not infix and not base.begin else [*base.before]
    if closing is not None:
        ending = ""
    last = [*(closing or ()), *base.after]
    tokens = first + base.encode(words + text + ending) + last
    over = len(tokens) - room
    if over <= 0:
        if not tokens:
            raise InputError(f"{where} is empty; write something to go on from")
        return Encoded(tokens)
    budget = f"{where} takes {len(tokens)} tokens; this base has {positions}{shared}"
    body = first + base.encode(words + text)
    head = len(first + base.encode(words))
    tail = [*base.encode(ending), *last]
    left = room - len(tail)
    if left <= head:
        raise InputError(f"{budget}: nothing of it would be left; use a shorter prefix, fewer examples or less output")
    if too_long == "refuse":
        raise InputError(f"{budget}: shorten it by {over} tokens, or allow it to be cut (--cut)")
    return Encoded(body[:left] + tail, cut=len(body) - left)
