"""The model as the three functions of named tensors that run on a vehicle; every backend and the export use these.

    tokenizer         a frame -> its features, which the odometer keeps
    inverse_dynamics  the features of adjacent frames -> the latent actions between them
    pose_head         the latent actions of the window -> motions

For one clip: every tensor's first axis is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapose_core.model.lapose import LAPose

Tensors = dict[str, Tensor]

#: The pose head's answers: by their names in the graph, and by those that `LAPose.decode_motions` gives them.
MOTIONS = {
    "translation_1S3": "translation_BS3",
    "quaternion_1S4": "quaternion_BS4",
    "variance_1S6": "variance_BS6",
    "fov_x_1S": "fov_x_BS",
    "scale_1": "scale_B",
}


class Graph(nn.Module):
    """A function of named tensors.

    Attributes:
        name: of the graph, and of its ONNX file.
        inputs, outputs: names, in the order of the arguments.
        example: inputs of the right shapes, on the CPU.
        dynamic: input -> axis of variable length; from 1 (steps) or 2 (frames) to the clip's.
    """

    name: str
    inputs: list[str]
    outputs: list[str]
    example: Tensors
    dynamic: dict[str, int]

    def __init__(self, model: LAPose) -> None:
        super().__init__()
        self.model = model
        self.dynamic = {}

    def named(self, inputs: Tensors) -> Tensors:
        """The outputs by name."""
        return dict(zip(self.outputs, self(*(inputs[name] for name in self.inputs)), strict=True))


class TokenizerGraph(Graph):
    """frame_1CHW uint8 RGB -> features."""

    name = "tokenizer"

    def __init__(self, model: LAPose) -> None:
        super().__init__(model)
        config = model.config
        frame = torch.zeros(1, 3, config.image_height, config.image_width, dtype=torch.uint8)
        self.example = {"frame_1CHW": frame}
        self.inputs = ["frame_1CHW"]
        self.outputs = ["tokens", "coarse", "fine"] if config.matching_width else ["tokens"]

    def forward(self, frame_1CHW: Tensor) -> tuple[Tensor, ...]:
        features = self.model.tokenize(frame_1CHW)
        return tuple(features[name] for name in self.outputs)


class PairGraph(Graph):
    """Features of two frames (previous_*, current_*) and interval_1S (seconds, S = 1) -> actions_1SK, matches_1S2NC.

    See `LAPose.infer_action`; a preset without matching has no matches.
    """

    name = "inverse_dynamics"

    def __init__(self, model: LAPose, features: Tensors) -> None:
        super().__init__(model)
        self.features = list(features)
        self.example = {
            f"{time}_{name}": features[name].clone() for time in ("previous", "current") for name in features
        }
        self.example["intervals_1S"] = torch.full((1, 1), 0.25)
        self.inputs = list(self.example)
        self.outputs = ["actions_1SK", "matches_1S2NC"] if model.config.matching_width else ["actions_1SK"]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        count = len(self.features)
        previous = dict(zip(self.features, inputs[:count], strict=True))
        current = dict(zip(self.features, inputs[count : 2 * count], strict=True))
        inferred = self.model.infer_action(previous, current, inputs[-1][:, 0])
        return tuple(value[:, None] for value in inferred if value is not None)


class WindowGraph(Graph):
    """Tokens of T frames and intervals_1S, S = T - 1 -> actions_1SK: for presets whose queries see more than two."""

    name = "inverse_dynamics"

    def __init__(self, model: LAPose, features: Tensors) -> None:
        super().__init__(model)
        frames = model.config.context_frames
        self.example = {
            "tokens_1TND": features["tokens"][:, None].repeat(1, frames, 1, 1),
            "intervals_1S": torch.full((1, frames - 1), 0.25),
        }
        self.inputs, self.outputs = list(self.example), ["actions_1SK"]
        self.dynamic = {"tokens_1TND": 1, "intervals_1S": 1}

    def forward(self, tokens_1TND: Tensor, intervals_1S: Tensor) -> tuple[Tensor]:
        return (self.model.inverse_dynamics(tokens_1TND, intervals_1S),)


class PoseHeadGraph(Graph):
    """actions_1SK and intervals_1S -> translation_1S3, quaternion_1S4, variance_1S6, fov_x_1S, scale_1."""

    name = "pose_head"

    def __init__(self, model: LAPose) -> None:
        super().__init__(model)
        steps = model.config.clip_length - 1
        self.example = {
            "actions_1SK": torch.zeros(1, steps, model.config.action_width),
            "intervals_1S": torch.full((1, steps), 0.25),
        }
        self.inputs, self.outputs = list(self.example), list(MOTIONS)
        self.dynamic = {"actions_1SK": 1, "intervals_1S": 1}

    def forward(self, actions_1SK: Tensor, intervals_1S: Tensor) -> tuple[Tensor, ...]:
        motions = self.model.decode_motions(actions_1SK, intervals_1S)
        return tuple(motions[name] for name in MOTIONS.values())


def model_graphs(model: LAPose) -> tuple[Graph, Graph, Graph]:
    """Tokenizer, inverse dynamics and pose head of a model."""
    tokenizer = TokenizerGraph(model)
    device = next(model.parameters()).device
    with torch.no_grad():
        features = tokenizer.named({name: value.to(device) for name, value in tokenizer.example.items()})
    features = {name: value.cpu().float() for name, value in features.items()}
    inverse = PairGraph(model, features) if model.config.context_frames == 2 else WindowGraph(model, features)
    return tokenizer, inverse, PoseHeadGraph(model)
