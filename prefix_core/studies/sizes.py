"""What a prefix costs on a model of any size, and what a full copy of the model does: arithmetic, no model needed.

Li & Liang 2021 keep a prefix for each task and one model for all; fine-tuning keeps a model for each task.
"""

from dataclasses import dataclass

from prefix_core.errors import InputError

LONGEST = 1000  # tokens of prefix that make sense to ask for


@dataclass(frozen=True)
class Model:
    """A transformer by its counts. width: kv_heads * head_dim; sites: attentions a layer pair that take a prefix."""

    name: str
    layers: int
    width: int
    parameters: int
    sites: int = 1

    def prefix_parameters(self, length: int) -> int:
        """Kept of a prefix of `length` tokens: keys and values, at every site of every layer."""
        return self.sites * self.layers * 2 * length * self.width


@dataclass(frozen=True)
class Cost:
    """Of so many tasks. prefix, model: parameters of one; bytes: on disk, of all tasks together."""

    tasks: int
    prefix: int
    model: int
    prefix_bytes: int
    copies_bytes: int

    @property
    def share(self) -> float:
        """One prefix in percent of the model."""
        return 100 * self.prefix / self.model


def decoder(name: str, layers: int, width: int, positions: int, vocabulary: int = 50257) -> Model:
    """A model of GPT-2's make: tied embeddings, learned positions, 12 width² + 13 width parameters a layer."""
    embeddings = (vocabulary + positions) * width
    return Model(name, layers, width, embeddings + layers * (12 * width**2 + 13 * width) + 2 * width)


def encoder_decoder(name: str, layers: int, width: int, positions: int, vocabulary: int = 50265) -> Model:
    """A model of BART's make, so many layers a side. A prefix goes to the encoder's attention, to the decoder's own,
    and to the decoder's attention to the encoder: three sites for each pair of layers."""
    attention, mlp, norm = 4 * width**2 + 4 * width, 8 * width**2 + 5 * width, 2 * width
    encoder, one_decoder = attention + mlp + 2 * norm, 2 * attention + mlp + 3 * norm
    embeddings = (vocabulary + 2 * (positions + 2)) * width + 2 * norm
    return Model(name, layers, width, embeddings + layers * (encoder + one_decoder), sites=3)


# GPT-3's shapes: Brown et al. 2020, table 2.1 (13B with the width that its 40 heads of 128 have).
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        decoder("GPT-2", 12, 768, 1024),
        decoder("GPT-2 medium", 24, 1024, 1024),
        decoder("GPT-2 large", 36, 1280, 1024),
        decoder("GPT-2 XL", 48, 1600, 1024),
        encoder_decoder("BART base", 6, 768, 1024),
        encoder_decoder("BART large", 12, 1024, 1024),
        decoder("GPT-3 2.7B", 32, 2560, 2048),
        decoder("GPT-3 6.7B", 32, 4096, 2048),
        decoder("GPT-3 13B", 40, 5120, 2048),
        decoder("GPT-3 175B", 96, 12288, 2048),
    )
}


def cost(model: Model, length: int, tasks: int = 1, bytes_each: int = 2) -> Cost:
    """What `tasks` tasks take on disk, `bytes_each` for every parameter: prefixes beside one model, or full copies.

    Raises `InputError` for counts that make no sense.
    """
    for name, value, most in (("prefix length", length, LONGEST), ("number of tasks", tasks, 1_000_000)):
        if not 1 <= value <= most:
            raise InputError(f"The {name} is {value}; give a whole number from 1 to {most:,}.")
    if bytes_each not in (2, 4):
        raise InputError(f"A parameter cannot take {bytes_each} bytes here; give 2 (fp16) or 4 (fp32).")
    prefix = model.prefix_parameters(length)
    one_model = model.parameters * bytes_each
    return Cost(
        tasks=tasks,
        prefix=prefix,
        model=model.parameters,
        prefix_bytes=one_model + tasks * prefix * bytes_each,
        copies_bytes=tasks * one_model,
    )
