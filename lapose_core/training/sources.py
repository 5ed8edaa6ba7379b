"""From a config's sources to the mixture of clips that a stage trains on."""

from __future__ import annotations

from pathlib import Path

from lapose_core.data.chunks import ChunkReader, ClipRates
from lapose_core.data.folder import DriveFolder
from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig, VQVAEConfig
from lapose_core.training.clip_streams import ClipMixture
from lapose_core.training.config import ClipConfig


def open_mixture(config: ClipConfig, sizes: ModelConfig | VQVAEConfig) -> ClipMixture:
    """Open every source; raises LaposeError where one is missing or has nothing."""
    rates = ClipRates(*config.rate_hz, config.frames)
    rendered = [source.get("weight", 1.0) for source in config.sources if source["kind"] == "rendered"]
    if len(rendered) > 1:
        raise LaposeError("sources: kind rendered can be there once")
    readers = [
        (source.get("weight", 1.0), _open(source, sizes, rates))
        for source in config.sources
        if source["kind"] != "rendered"
    ]
    size = sizes.image_height, sizes.image_width
    return ClipMixture(config, size, rendered[0] if rendered else 0.0, readers)


def _open(source: dict, sizes: ModelConfig | VQVAEConfig, rates: ClipRates) -> ChunkReader:
    if source["kind"] == "folder":
        return DriveFolder(Path(source["path"]), sizes, rates, source.get("fps"))
    try:
        from lapose_core.data.shards import ShardReader
    except ModuleNotFoundError as error:
        raise LaposeError(f"shards need {error.name}: pip install 'lapose[train]'") from None
    return ShardReader(str(source["path"]), sizes)
