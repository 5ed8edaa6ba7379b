"""Packs drives into shards, in parallel; what is packed already is not packed again."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from lapose_core.data.chunks import Chunk, ClipRates
from lapose_core.data.folder import chunks_of, find_drives
from lapose_core.data.shards import MANIFEST
from lapose_core.errors import LaposeError
from lapose_core.files import write_atomically
from lapose_core.model.config import ModelConfig

_RECORDS = ".packed"


@dataclass(frozen=True)
class Packing:
    """How drives are packed: changing it means packing again.

    Attributes:
        quality: of the JPEGs.
        shard_bytes: a drive's shards are about so large.
    """

    width: int
    height: int
    rates: ClipRates
    quality: int = 92
    shard_bytes: int = 256 * 2**20
    fps: float | None = None


def pack(
    source: Path, output: Path, sizes: ModelConfig, rates: ClipRates, *, workers: int = 0, quality: int = 92,
    shard_mb: int = 256, fps: float | None = None, progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Pack the drives below `source` into shards in `output`; returns the manifest.

    Each drive has shards of its own, and a record once they are whole, so that a second call goes on where the first
    was cut off. Drives that cannot be used are left out, told and counted in the manifest.

    Args:
        workers: processes; 0 for one a core.

    Raises LaposeError where no drive can be used, or `output` was packed with other settings.
    """
    packing = Packing(sizes.image_width, sizes.image_height, rates, quality, shard_mb * 2**20, fps)
    records = output / _RECORDS
    records.mkdir(parents=True, exist_ok=True)
    _check_settings(records / "settings.json", packing)
    drives = find_drives(source)
    names = {drive: str(drive.relative_to(source)) if drive != source else drive.name for drive in drives}
    todo = [(drive, name) for drive, name in names.items() if not _packed(records, name)]
    with ProcessPoolExecutor(workers or None) as pool:
        waiting = [pool.submit(_pack_drive, drive, name, output, sizes, packing) for drive, name in todo]
        for done in tqdm(as_completed(waiting), "packing", len(waiting), unit="drive", disable=not progress):
            if (reason := done.result()["left_out"]) is not None:
                print(f"lapose: left out {done.result()['drive']}: {reason}", file=sys.stderr)
    manifest = _manifest(records, names.values(), packing)
    if not manifest["shards"]:
        raise LaposeError(f"{source}: no drive of it can be packed: see the lines above")
    _write_json(output / MANIFEST, manifest)
    return manifest


def _pack_drive(drive: Path, name: str, output: Path, sizes: ModelConfig, packing: Packing) -> dict[str, Any]:
    """Write one drive's shards, then its record."""
    stem = _slug(name)
    shards: list[dict[str, Any]] = []
    left_out = None
    try:
        for number, part in enumerate(_parts(chunks_of(drive, sizes, packing.rates, packing.fps), packing)):
            shards.append(_write_shard(output, f"{stem}-{number:04}", part))
    except LaposeError as error:
        # What was read before a drive broke off is good.
        left_out = None if shards else str(error)
    record = {"drive": name, "shards": shards, "left_out": left_out}
    _write_json(_record(output / _RECORDS, name), record)
    return record


def _parts(chunks: Iterator[Chunk], packing: Packing) -> Iterator[list[tuple[dict, list[bytes]]]]:
    """Encoded chunks, as many as make a shard; what a drive that breaks off has given so far comes out whole."""
    part: list[tuple[dict, list[bytes]]] = []
    size = 0
    failed: LaposeError | None = None
    while True:
        try:
            chunk = next(chunks)
        except StopIteration:
            break
        except LaposeError as error:
            failed = error
            break
        pictures = [_encode(chunk.decode(i), packing.quality) for i in range(len(chunk.stamps_ns))]
        part.append(({"drive": chunk.name, "stamps_ns": chunk.stamps_ns.tolist()}, pictures))
        size += sum(map(len, pictures))
        if size >= packing.shard_bytes:
            yield part
            part, size = [], 0
    if part:
        yield part
    if failed is not None:
        raise failed


def _write_shard(output: Path, stem: str, chunks: list[tuple[dict, list[bytes]]]) -> dict[str, Any]:
    from webdataset import TarWriter

    path = output / f"{stem}.tar"

    def write(temporary: Path) -> None:
        with TarWriter(str(temporary), encoder=False) as tar:
            for number, (head, pictures) in enumerate(chunks):
                sample: dict[str, Any] = {"__key__": f"{stem}-{number:04}", "json": json.dumps(head).encode()}
                tar.write(sample | {f"{i:03}.jpg": picture for i, picture in enumerate(pictures)})

    write_atomically(path, write)
    frames = sum(len(pictures) for _, pictures in chunks)
    return {"name": path.name, "chunks": len(chunks), "frames": frames, "bytes": path.stat().st_size}


def _manifest(records: Path, names: Iterable[str], packing: Packing) -> dict[str, Any]:
    known = [json.loads(_record(records, name).read_text()) for name in names if _record(records, name).exists()]
    return {
        "format": "webdataset", "width": packing.width, "height": packing.height,
        "rate_hz": [packing.rates.slowest_hz, packing.rates.fastest_hz],
        "drives": sum(bool(record["shards"]) for record in known),
        "left_out": {record["drive"]: record["left_out"] for record in known if record["left_out"] is not None},
        "frames": sum(shard["frames"] for record in known for shard in record["shards"]),
        "shards": [shard for record in known for shard in record["shards"]],
    }  # fmt: skip


def _check_settings(path: Path, packing: Packing) -> None:
    rates = packing.rates
    settings = [packing.width, packing.height, rates.slowest_hz, rates.fastest_hz, rates.frames, packing.quality]
    if path.exists() and json.loads(path.read_text()) != settings:
        raise LaposeError(f"{path.parent.parent} was packed with other sizes or rates: choose another --output")
    _write_json(path, settings)


def _encode(frame_CHW: np.ndarray, quality: int) -> bytes:
    bgr = np.ascontiguousarray(frame_CHW.transpose(1, 2, 0)[..., ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _packed(records: Path, name: str) -> bool:
    """Whether a drive is packed; one that was left out is tried again."""
    record = _record(records, name)
    return record.exists() and json.loads(record.read_text())["left_out"] is None


def _record(records: Path, name: str) -> Path:
    return records / f"{_slug(name)}.json"


def _slug(name: str) -> str:
    """A file name without dots or slashes: WebDataset takes what follows the first dot for the kind of file."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    return f"{plain[:80]}-{zlib.crc32(name.encode()):08x}"


def _write_json(path: Path, content: Any) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(json.dumps(content, indent=1) + "\n"))
