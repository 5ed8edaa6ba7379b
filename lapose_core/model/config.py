"""Sizes of the model. Plain dataclasses: readable without torch, stored as JSON beside the weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from typing_extensions import Self

from lapose_core.errors import LaposeError

#: Pixels between the cells that are matched (`matching.py`) on each side; each query is the centre of such a cell.
QUERY_STRIDE = 16


class StoredConfig:
    """A dataclass that is stored as JSON beside the weights."""

    KIND: ClassVar[str] = "model"
    HINT: ClassVar[str] = "--model takes a folder like models/compact"
    CURE: ClassVar[str] = "export it again"

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a config; raises LaposeError where the file is missing or does not describe a model."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise LaposeError(f"no model config at {path}: {cls.HINT}") from None
        except (ValueError, TypeError) as error:
            raise LaposeError(f"{path} is no {cls.KIND} config of this version ({error}): {cls.CURE}") from None


@dataclass(frozen=True)
class ModelConfig(StoredConfig):
    """Everything that fixes the model's shape.

    Attributes:
        preset: name of the preset it started from.
        image_height, image_width: input size in pixels, multiples of `patch`.
        patch: pixels a token covers on each side (the tokenizer's effective stride).
        clip_length: frames in a clip (paper: 16), so that one more than the latent actions.
        width: channels of a token.
        tokenizer_depth: ViT blocks of the image tokenizer.
        stem_width: channels of the convolutional stem at stride 8; 0 cuts plain patches, as the paper does.
        inverse_depth: ST blocks of the inverse dynamics model.
        heads: attention heads of every block of tokenizer and inverse dynamics model.
        context_frames: frames a query sees, its own included; 2 makes streaming exact, `clip_length` is the paper's.
        matching_width: channels of the descriptors for global matching; 0 leaves matching out (paper).
        action_width: numbers in a latent action (paper: 50).
        head_width, head_depth: size of the pose head's transformer; it has an attention head for every 64 channels.
    """

    preset: str
    image_height: int
    image_width: int
    patch: int
    width: int
    tokenizer_depth: int
    stem_width: int
    inverse_depth: int
    heads: int
    context_frames: int
    matching_width: int
    head_width: int
    head_depth: int
    clip_length: int = 16
    action_width: int = 50

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.image_height // self.patch, self.image_width // self.patch


@dataclass(frozen=True)
class VQVAEConfig(StoredConfig):
    """Sizes of the VQ-VAE, whose codes are what the forward dynamics model predicts.

    Attributes:
        image_height, image_width: input size in pixels, multiples of 16, which is its stride.
        width: channels at stride 16; half of them at stride 8, a quarter at stride 4.
        depth: residual blocks at each stride, in the encoder and in the decoder.
        codes: entries of the codebook.
        code_width: numbers in an entry; few, and compared by their angle, keep most of the codebook in use.
    """

    KIND: ClassVar[str] = "VQ-VAE"
    HINT: ClassVar[str] = "give the folder that `lapose train vqvae` wrote"
    CURE: ClassVar[str] = "train it again"
    STRIDE: ClassVar[int] = 16

    preset: str
    image_height: int
    image_width: int
    width: int
    depth: int
    codes: int = 1024
    code_width: int = 16

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of codes."""
        return self.image_height // self.STRIDE, self.image_width // self.STRIDE


@dataclass(frozen=True)
class ForwardConfig:
    """Sizes of the forward dynamics model.

    Attributes:
        width, heads, depth: of the ST transformer.
        light_blocks, light_width: of the blocks that take the place of an MLP head (paper: 4).
    """

    width: int
    heads: int
    depth: int
    light_width: int
    light_blocks: int = 4


PRESETS: dict[str, ModelConfig] = {
    "paper": ModelConfig(
        preset="paper", image_height=448, image_width=960, patch=64, width=1536, tokenizer_depth=12, stem_width=0,
        inverse_depth=12, heads=24, context_frames=16, matching_width=0, head_width=1536, head_depth=6,
    ),
    "compact": ModelConfig(
        preset="compact", image_height=224, image_width=480, patch=32, width=192, tokenizer_depth=3, stem_width=80,
        inverse_depth=3, heads=6, context_frames=2, matching_width=64, head_width=256, head_depth=8,
    ),
    "tiny": ModelConfig(
        preset="tiny", image_height=64, image_width=128, patch=32, width=32, tokenizer_depth=1, stem_width=16,
        inverse_depth=1, heads=2, context_frames=2, matching_width=16, head_width=32, head_depth=1,
    ),
}  # fmt: skip


VQVAE_PRESETS: dict[str, VQVAEConfig] = {
    "paper": VQVAEConfig(preset="paper", image_height=448, image_width=960, width=384, depth=3, code_width=32),
    "compact": VQVAEConfig(preset="compact", image_height=224, image_width=480, width=256, depth=2),
    "tiny": VQVAEConfig(preset="tiny", image_height=64, image_width=128, width=32, depth=1, codes=64, code_width=8),
}

FORWARD_PRESETS: dict[str, ForwardConfig] = {
    "paper": ForwardConfig(width=1024, heads=16, depth=12, light_width=512),
    "compact": ForwardConfig(width=384, heads=6, depth=6, light_width=256),
    "tiny": ForwardConfig(width=32, heads=2, depth=1, light_width=32),
}

Sizes = TypeVar("Sizes", ModelConfig, VQVAEConfig, ForwardConfig)


def preset(name: str, presets: dict[str, Sizes] = PRESETS) -> Sizes:
    """The named preset; raises LaposeError naming the choices."""
    try:
        return presets[name]
    except KeyError:
        raise LaposeError(f"no preset {name!r}: choose one of {', '.join(presets)}") from None
