"""Shards of drives: WebDataset tars, read from a folder or an object store as a stream.

A sample is a chunk: `NAME.json` (drive, stamps) and `NAME.000.jpg`, `NAME.001.jpg`, ... in the model's size. A tar is
read from front to back, so that any store that can send a file will do, and no more is in memory than a few chunks.
`manifest.json` beside the tars names them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import fsspec
import numpy as np
from webdataset.tariterators import group_by_keys, tar_file_expander

from lapose_core.data.chunks import Chunk, ChunkReader, Omissions
from lapose_core.data.encodings import decode_compressed
from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig

MANIFEST = "manifest.json"


class ShardReader(ChunkReader):
    """Chunks of the shards that `lapose data pack` wrote."""

    def __init__(self, url: str, sizes: ModelConfig) -> None:
        """Read the manifest.

        Args:
            url: a folder, or anything that fsspec opens: s3://, gs://, https://, ...

        Raises LaposeError where there is no manifest, or its frames have another size than the model's.
        """
        self.url = str(url).rstrip("/")
        manifest = read_manifest(self.url)
        size, wanted = (manifest["width"], manifest["height"]), (sizes.image_width, sizes.image_height)
        if size != wanted:
            raise LaposeError(
                f"{self.url} was packed at {size[0]}x{size[1]}, the model's input is {wanted[0]}x{wanted[1]}: "
                "pack it again with this preset"
            )
        self.names = [shard["name"] for shard in manifest["shards"]]
        if not self.names:
            raise LaposeError(f"{self.url} has no shards: pack drives into it first")
        self.omissions = Omissions([f"{self.url}/{name}" for name in self.names])

    def __str__(self) -> str:
        return self.url

    def chunks(self, rng: np.random.Generator) -> Iterator[Chunk]:
        for index in rng.permutation(len(self.names)):
            yield from self._chunks_of(int(index))

    def _chunks_of(self, index: int) -> Iterator[Chunk]:
        """The shard's chunks, as far as it is whole; a chunk that lacks frames is left out."""
        url = self.omissions.items[index]
        if self.omissions.out(index):
            return
        broken: list[Exception] = []

        def remember(error: Exception) -> bool:
            broken.append(error)
            return True

        try:
            with fsspec.open(url, "rb") as stream:
                files = tar_file_expander([{"url": url, "stream": stream}], handler=remember)
                for sample in group_by_keys(files, handler=remember):
                    chunk = _chunk(sample)
                    if chunk is not None:
                        yield chunk
                    elif not broken:
                        broken.append(ValueError("a chunk lacks frames"))
        except (OSError, ValueError) as error:
            broken.append(error)
        if broken:
            reason = " ".join(str(broken[0].args[0] if broken[0].args else broken[0]).split())
            self.omissions.omit(index, f"not whole ({reason}): copy or pack it again")


def read_manifest(url: str) -> dict[str, Any]:
    """The manifest of a folder of shards; raises LaposeError where there is none."""
    try:
        with fsspec.open(f"{url}/{MANIFEST}", "rt") as file:
            manifest = json.load(file)
        return manifest if {"shards", "width", "height"} <= manifest.keys() else {}["shards"]
    except FileNotFoundError:
        raise LaposeError(f"{url} has no {MANIFEST}: give the folder that `lapose data pack` wrote") from None
    except (ValueError, KeyError, AttributeError) as error:
        raise LaposeError(f"{url}/{MANIFEST} is no manifest of shards ({error}): pack again") from None
    except (OSError, ImportError) as error:
        raise LaposeError(f"cannot read {url}/{MANIFEST} ({' '.join(str(error).split())}): check the address") from None


def _chunk(sample: dict[str, Any]) -> Chunk | None:
    try:
        head = json.loads(sample["json"])
        stamps_ns = np.array(head["stamps_ns"], np.int64)
        pictures = [sample[f"{i:03}.jpg"] for i in range(len(stamps_ns))]
    except (KeyError, ValueError):
        return None
    return Chunk(head["drive"], stamps_ns, partial(_decode, pictures), sum(map(len, pictures)))


def _decode(pictures: list[bytes], index: int) -> np.ndarray:
    return np.ascontiguousarray(decode_compressed(pictures[index]).transpose(2, 0, 1))
