"""The `lapose` command: what it writes, and how it ends when something is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from rosbags.highlevel import AnyReader

from lapose_core import __version__
from lapose_core.cli import app

from .conftest import FRAMES, Ended

Command = Callable[..., Ended]
REPOSITORY = Path(__file__).parents[2]
TINY = REPOSITORY / "config" / "train" / "tiny.yaml"


def commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """The names that lead to each command and group."""
    yield names
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *names, name)


@pytest.mark.parametrize("names", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_says_what_it_is_for(lapose: Command, names: tuple[str, ...]) -> None:
    ended = lapose(*names, "--help")
    assert ended.code == 0
    assert "Usage: lapose" in ended.out


def test_the_version(lapose: Command) -> None:
    assert lapose("--version") == Ended(0, f"lapose {__version__}\n", "")


def test_run_writes_trajectory_motions_and_plot(
    lapose: Command, kitti: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "output"
    ended = lapose("run", kitti / "image_0", "--rate", 10, "--output", output, "--model", tiny_model_dir)
    assert ended.code == 0
    assert f"{FRAMES} frames" in ended.out
    assert "frame/s" in ended.err, "a progress bar"
    assert {path.name for path in output.iterdir()} == {"trajectory.tum", "motions.csv", "trajectory.png"}
    assert len((output / "trajectory.tum").read_text().splitlines()) == FRAMES


def test_evaluate_prints_a_table_and_writes_json(
    lapose: Command, kitti: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "figures.json"
    ended = lapose("evaluate", kitti, "--rate", 10, "--model", tiny_model_dir, "--json", path, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    assert "AUC@5" in ended.out
    figures = json.loads(path.read_text())
    assert figures["windows"] == FRAMES - 15
    assert [row["method"] for row in figures["rows"]] == [
        "lapose",
        "straight ahead, true step lengths",
        "ORB + five-point, known camera, true step lengths",
        "ORB + five-point, known camera",
        "ORB + five-point, nothing known",
        "lapose, known camera",
        "lapose, camera learned on the drive",
    ]


def test_evaluate_on_conditions_prints_a_table_and_writes_json(
    lapose: Command, tiny_model_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    options = ("--clips", 1, "--model", tiny_model_dir, "--backend", "onnxruntime", "--json", path, "--quiet")
    ended = lapose("evaluate", "--conditions", "fog", "motorway", *options)
    assert (ended.code, ended.err) == (0, "")
    assert "fog: lapose" in ended.out and "motorway: straight ahead" in ended.out
    assert set(json.loads(path.read_text())["conditions"]) == {"fog", "motorway"}


def test_world_preview_shows_the_conditions(lapose: Command, tmp_path: Path) -> None:
    assert lapose("world", "preview", "--conditions", "--output", tmp_path / "conditions.png").code == 0
    assert cv2.imread(str(tmp_path / "conditions.png")).std() > 20


def test_world_preview_draws_and_flow_adds_arrows(lapose: Command, tmp_path: Path) -> None:
    sizes = ("--clips", 1, "--frames", 1)
    assert lapose("world", "preview", "--output", tmp_path / "plain.png", *sizes).code == 0
    assert lapose("world", "preview", "--output", tmp_path / "flow.png", *sizes, "--flow").code == 0
    plain, flow = (cv2.imread(str(tmp_path / name)) for name in ("plain.png", "flow.png"))
    assert plain.shape == flow.shape
    assert (plain != flow).any()


def test_a_bag_of_the_world_can_be_run_and_its_topic_be_mistaken(
    lapose: Command, tiny_model_dir: Path, tmp_path: Path
) -> None:
    bag, size = tmp_path / "drive", ("--width", 128, "--height", 64)
    assert lapose("world", "bag", bag, "--seconds", 2, "--rate", 4, *size).code == 0
    options = ("--output", tmp_path / "output", "--model", tiny_model_dir, "--quiet")
    recording = tmp_path / "out.mcap"
    ended = lapose("run", bag, *options, "--output-bag", recording)
    assert ended.code == 0
    assert ended.out.startswith("8 frames")
    with AnyReader([recording]) as reader, AnyReader([bag]) as before:
        assert before.topics.keys() | {"/lapose/odometry", "/lapose/path", "/tf"} == reader.topics.keys()
        assert reader.topics["/lapose/odometry"].msgcount == 8
    assert_one_line(lapose("run", bag, "--topic", "/no/such/topic", *options), "/camera/front/image/compressed")


def test_train_pose_writes_a_checkpoint(lapose: Command, tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(TINY.read_text().replace("steps: 4", "steps: 1"))
    assert lapose("train", "pose", "--config", config, "--output", tmp_path / "run").code == 0
    assert json.loads((tmp_path / "run" / "progress.json").read_text())["runs"][0]["steps"] == 1


def test_export_tensorrt_builds_engines_and_finds_them_again(
    lapose: Command, tiny_model_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    command = ("export", "tensorrt", tiny_model_dir, "--rtx", "--compute-capability", "8.6", "--output", tmp_path)
    ended = lapose(*command)
    assert ended.code == 0
    assert "building pose_head with tensorrt_rtx" in ended.out
    assert len(list(tmp_path.glob("*.sm86.half.plan"))) == 3
    assert lapose(*command).out.count("is up to date") == 3


def test_export_int8_writes_a_folder_that_can_be_run(
    lapose: Command, kitti: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    ended = lapose("export", "int8", "--output", tmp_path / "int8", "--model", tiny_model_dir, "--clips", 4, "--quiet")
    assert ended.code == 0
    assert "tokenizer.onnx  0.1 MB" in ended.out
    assert lapose("run", kitti, "--output", tmp_path / "output", "--model", tmp_path / "int8", "--quiet").code == 0


def assert_one_line(ended: Ended, complaint: str) -> None:
    """Exit code 2, and one line that begins with the program's name and holds the complaint."""
    assert ended.code == 2, ended
    assert ended.err.startswith("lapose: ") and ended.err.count("\n") == 1 and ended.err.endswith("\n"), ended.err
    assert complaint in ended.err


@pytest.fixture
def bad(tmp_path: Path, kitti: Path, tiny_model_dir: Path) -> Path:
    """A folder with one of each bad input."""
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty.mp4").touch()
    cv2.VideoWriter(str(tmp_path / "no_frames.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 32)).release()
    for folder in ("undecodable", "small", "nothing"):
        (tmp_path / folder).mkdir()
    for index in range(4):
        (tmp_path / "undecodable" / f"{index}.png").write_bytes(b"no picture")
        cv2.imwrite(str(tmp_path / "small" / f"{index}.png"), np.zeros((32, 64, 3), np.uint8))
    for graph in ("tokenizer.onnx", "weights.safetensors"):
        model = shutil.copytree(tiny_model_dir, tmp_path / f"broken_{graph}")
        (model / graph).write_bytes((model / graph).read_bytes()[:1000])
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("run {bad}/nowhere --output {bad}/output", "no such file or folder"),
        ("evaluate {bad}/nowhere", "no such file or folder"),
        ("evaluate", "one source with true poses, or --conditions"),
        ("evaluate {kitti} {kitti}", "one source with true poses, or --conditions"),
        ("evaluate --conditions hail", "no condition 'hail': choose from clear, fog"),
        ("run {bad}/empty.mp4 --output {bad}/output", "give a video"),
        ("run {bad}/no_frames.avi --output {bad}/output", "give a video"),
        ("run {bad}/nothing --output {bad}/output", "holds no images"),
        ("run {bad}/undecodable --fps 4 --output {bad}/output --quiet", "could be decoded: check"),
        ("evaluate {bad}/undecodable --fps 4 --quiet", "no true poses"),
        ("run {bad}/small --fps 4 --output {bad}/output --quiet", "give larger images"),
        ("evaluate {kitti}/image_0 --quiet", "no true poses: give a KITTI sequence folder"),
        ("run {kitti} --output {bad}/output --model nowhere", "no model 'nowhere': give"),
        ("run {kitti} --output {bad}/output --model {bad}/nothing", "no model"),
        ("run {kitti} --output {bad}/output --model {bad}/broken_tokenizer.onnx", "tokenizer.onnx is not a whole"),
        (
            "run {kitti} --output {bad}/output --backend torch --model {bad}/broken_weights.safetensors",
            "weights.safetensors",
        ),
        ("run {kitti} --output {bad}/file", "give another --output"),
        ("evaluate {kitti} --json {bad}/file/figures.json", "choose another place"),
        ("evaluate {kitti} --json {bad}", "is a folder: give the name of a file"),
        ("world preview --clips 1 --frames 1 --output {bad}/file/sheet.png", "choose another place"),
        ("world bag {bad}/file/bag --seconds 1 --rate 2 --width 64 --height 48", "choose another place"),
        ("world bag {bad}/nothing", "exists already"),
        ("train pose --config {bad}/nowhere.yaml --output {bad}/output", "no training config"),
        ("train pose --config {bad} --output {bad}/output", "choose another path"),
        ("train pose --config {tiny} --output {bad}/file", "choose another path"),
        ("train pose --config {tiny} --output {bad}/output --from {bad}/nothing", "that training wrote"),
        ("export onnx {bad}/nowhere --output {bad}/output", "give the folder that `lapose train pose"),
        ("export int8 --output {bad}/output --model nowhere", "no model 'nowhere'"),
        (
            "export int8 --output {bad}/output --model {model} --clips 1",
            "are too few to find ranges on: give 4 or more",
        ),
        ("export int8 --output {bad}/nothing --model {model}", "exists already"),
        ("export int8 --output {bad}/file/output --model {model}", "choose another place"),
        ("export tensorrt nowhere", "no model 'nowhere'"),
        ("export tensorrt {model} --rtx --compute-capability 1.0", "does not know compute capability 1.0: it knows"),
        ("export tensorrt {model} --rtx --compute-capability 8.6 --precision int4", "choose one of half, float32"),
    ],
)
def test_bad_input_ends_in_one_line(
    lapose: Command, bad: Path, kitti: Path, tiny_model_dir: Path, arguments: str, complaint: str
) -> None:
    if "--rtx" in arguments:
        pytest.importorskip("tensorrt_rtx")
    words = [word.format(bad=bad, kitti=kitti, tiny=TINY, model=tiny_model_dir) for word in arguments.split()]
    if words[0] in ("run", "evaluate") and "--model" not in words:
        words += ["--model", str(tiny_model_dir)]
    assert_one_line(lapose(*words), complaint)


def test_a_process_of_its_own_ends_in_one_line_too(bad: Path) -> None:
    """There FFmpeg writes to stderr past Python."""
    command = [sys.executable, "-m", "lapose_core.cli", "run", bad / "empty.mp4", "--output", bad / "output"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert_one_line(Ended(done.returncode, done.stdout, done.stderr), "give a video")
