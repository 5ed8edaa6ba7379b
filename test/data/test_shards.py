"""Shards: packed in parallel, gone on with after an interruption, streamed, and read as far as they are whole."""

from __future__ import annotations

import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lapose_core.data.chunks import ClipRates
from lapose_core.errors import LaposeError
from lapose_core.model.config import preset

pytest.importorskip("webdataset", reason="shards need webdataset: pip install 'lapose[train]'")

from lapose_core.data.pack import pack
from lapose_core.data.shards import ShardReader

TINY = preset("tiny")
RATES = ClipRates(2.0, 5.0, 4)


@pytest.fixture
def drives(tmp_path: Path, write_video) -> Path:
    """Two drives of four seconds, and one that is too short."""
    folder = tmp_path / "drives"
    (folder / "b").mkdir(parents=True)
    y, x = np.mgrid[:96, :160]
    for name, count in (("a.v1.avi", 40), ("b/a.avi", 40), ("short.avi", 3)):
        images = [np.stack([(x + 6 * i) % 256, y * 2, 0 * x + 128], -1).astype(np.uint8) for i in range(count)]
        write_video(folder / name, images)
    return folder


@pytest.fixture
def packed(drives: Path, tmp_path: Path) -> Path:
    pack(drives, tmp_path / "shards", TINY, RATES, workers=2, progress=False)
    return tmp_path / "shards"


def read(url: str | Path) -> list:
    return list(ShardReader(str(url), TINY).chunks(np.random.default_rng(0)))


def test_the_manifest_names_shards_drives_and_what_was_left_out(packed: Path) -> None:
    manifest = json.loads((packed / "manifest.json").read_text())
    assert manifest["drives"] == 2
    assert list(manifest["left_out"]) == ["short.avi"]
    assert {shard["name"] for shard in manifest["shards"]} == {path.name for path in packed.glob("*.tar")}
    assert manifest["frames"] == sum(len(chunk.stamps_ns) for chunk in read(packed))


def test_shards_are_plain_webdataset_tars(packed: Path) -> None:
    import webdataset

    shards = [str(path) for path in sorted(packed.glob("*.tar"))]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("rgb8"))
    assert samples[0]["000.jpg"].shape == (64, 128, 3)
    assert len(samples[0]["json"]["stamps_ns"]) == sum(name.endswith(".jpg") for name in samples[0])


def test_frames_come_back_as_they_were_but_for_the_jpeg(drives: Path, packed: Path) -> None:
    from lapose_core.data.folder import DriveFolder

    direct = {c.name: c for c in DriveFolder(drives, TINY, RATES).chunks(np.random.default_rng(0))}
    for chunk in read(packed):
        twin = direct[chunk.name]
        if not np.array_equal(chunk.stamps_ns, twin.stamps_ns):
            continue
        error = np.abs(chunk.decode(3).astype(int) - twin.decode(3))
        assert error.mean() < 6
        return
    pytest.fail("no chunk has its twin")


def test_packing_goes_on_where_it_was_cut_off(drives: Path, packed: Path, tmp_path: Path) -> None:
    whole = json.loads((packed / "manifest.json").read_text())
    times = {path.name: path.stat().st_mtime_ns for path in packed.glob("*.tar")}
    # As if it had been cut off in the second drive.
    record = next(path for path in (packed / ".packed").glob("*.json") if path.name.startswith("b_a"))
    record.unlink()
    (packed / "manifest.json").unlink()
    again = pack(drives, packed, TINY, RATES, workers=1, progress=False)
    assert again == whole
    changed = [n for n, t in times.items() if (packed / n).stat().st_mtime_ns != t]
    assert all(name.startswith("b_a") for name in changed)
    assert changed
    with pytest.raises(LaposeError, match="other sizes or rates"):
        pack(drives, packed, TINY, ClipRates(1.0, 5.0, 4), progress=False)


def test_a_shard_cut_off_in_the_middle_gives_what_is_whole(
    packed: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(read(packed))
    path = sorted(packed.glob("*.tar"))[0]
    with tarfile.open(path) as tar:
        samples = len({member.name.split(".")[0] for member in tar})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    reader = ShardReader(str(packed), TINY)
    rng = np.random.default_rng(0)
    chunks = list(reader.chunks(rng))
    assert before - samples <= len(chunks) < before
    for chunk in chunks:
        assert [chunk.decode(i).shape for i in range(len(chunk.stamps_ns))] == [(3, 64, 128)] * len(chunk.stamps_ns)
    assert reader.omissions.count == 1
    assert len(list(reader.chunks(rng))) <= len(chunks)
    assert capsys.readouterr().err.count("not whole") == 1
    path.unlink()
    assert ShardReader(str(packed), TINY).names, "a missing shard is found out when it is its turn"
    assert len(read(packed)) == before - samples


def test_shards_stream_over_http(packed: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(packed)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        chunks = read(f"http://127.0.0.1:{server.server_port}")
        assert len(chunks) == len(read(packed))
        with pytest.raises(LaposeError, match=r"has no manifest\.json"):
            read(f"http://127.0.0.1:{server.server_port}/nowhere")
    finally:
        server.shutdown()
        server.server_close()


def test_what_cannot_be_read_is_refused(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(LaposeError, match="packed at 128x64, the model's input is 480x224"):
        ShardReader(str(packed), preset("compact"))
    with pytest.raises(LaposeError, match="has no manifest"):
        ShardReader(str(tmp_path / "nowhere"), TINY)
    (packed / "manifest.json").write_text("{")
    with pytest.raises(LaposeError, match="no manifest of shards"):
        ShardReader(str(packed), TINY)


def test_nothing_to_pack_is_told(tmp_path: Path, write_video) -> None:
    write_video(tmp_path / "short.avi", [np.zeros((96, 160, 3), np.uint8)] * 3)
    with pytest.raises(LaposeError, match="no drive of it can be packed"):
        pack(tmp_path, tmp_path / "shards", TINY, RATES, workers=1, progress=False)
