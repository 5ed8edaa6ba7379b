"""The `lapose` command: every subcommand is a thin call of a function that can be used from Python as well."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from lapose_core import __version__
from lapose_core.errors import LaposeError

app = typer.Typer(
    name="lapose",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Ego-motion from one camera: metric motion, rotation and field of view from video, with no calibration.",
)
world = typer.Typer(no_args_is_help=True, help="The rendered driving world: look at it, or record a drive.")
train = typer.Typer(no_args_is_help=True, help=r"Train the model (needs the extra: pip install 'lapose\[train]').")
data = typer.Typer(no_args_is_help=True, help="Your own drives: pack them for pretraining.")
export = typer.Typer(no_args_is_help=True, help="Turn trained weights into what runs.")
app.add_typer(world, name="world")
app.add_typer(train, name="train")
app.add_typer(data, name="data")
app.add_typer(export, name="export")

SourceArgument = Annotated[
    Path, typer.Argument(help="A video, a folder of images, a KITTI sequence folder, or a bag (MCAP or sqlite3).")
]
RateOption = Annotated[float, typer.Option("--rate", help="Steps a second; frames in between are not used.", min=0.1)]
ModelOption = Annotated[str, typer.Option("--model", help="A model folder, or the name of a shipped one.")]
BackendOption = Annotated[str, typer.Option("--backend", help="auto, onnxruntime, torch, tensorrt or tensorrt_rtx.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Image topic of a bag, if it has several.")]
FpsOption = Annotated[
    float | None, typer.Option("--fps", help="The camera's rate, where the source does not tell it (Hz).", min=0.01)
]
CameraHeightOption = Annotated[
    float | None,
    typer.Option(
        "--camera-height", help="Of the camera above the road, metres: the scale is as good as that.", min=0.1
    ),
]
ConfigOption = Annotated[Path, typer.Option("--config", help="YAML file; config/train has those that ship.")]
TrainOutputOption = Annotated[
    Path, typer.Option("--output", help="Folder for checkpoints and the log; goes on if it can.")
]
MinutesOption = Annotated[float | None, typer.Option(help="Stop after so many minutes, whatever the config says.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lapose {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def run(
    source: SourceArgument,
    output: Annotated[Path, typer.Option("--output", help="Folder for trajectory.tum, motions.csv, trajectory.png.")],
    rate: RateOption = 4.0,
    model: ModelOption = "compact",
    backend: BackendOption = "auto",
    topic: TopicOption = None,
    fps: FpsOption = None,
    every_frame: Annotated[
        bool,
        typer.Option(
            "--every-frame", help="A pose for every image: those between the steps are measured against them."
        ),
    ] = False,
    calibrated: Annotated[
        bool,
        typer.Option("--calibrated", help="Take the camera as the source tells it: calib.txt, CameraInfo."),
    ] = False,
    camera_height: CameraHeightOption = None,
    stream: Annotated[
        bool,
        typer.Option("--stream/--no-stream", help="Keep each frame's work, or compute the whole window for each anew."),
    ] = True,
    output_bag: Annotated[
        Path | None,
        typer.Option("--output-bag", help="Also write a bag's topics with odometry, tf and path to this .mcap file."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Estimate the motion of a drive: writes its trajectory, its motions and a plot."""
    from lapose_core.runtime.run import run as run_source

    summary = run_source(
        source,
        output,
        rate_hz=rate,
        backend=backend,
        model=model,
        topic=topic,
        fps=fps,
        every_frame=every_frame,
        calibrated=calibrated,
        camera_height_m=camera_height,
        stream=stream,
        output_bag=output_bag,
        progress=not quiet,
    )
    typer.echo(summary)
    if summary.interrupted:
        raise typer.Exit(130)


@app.command()
def evaluate(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE | --conditions [NAME...]",
            help="A KITTI sequence folder, or a bag with true poses; with --conditions, names of conditions.",
        ),
    ] = None,
    conditions: Annotated[
        bool, typer.Option("--conditions", help="On rendered drives in rain, at night, ...: the named ones, or all.")
    ] = False,
    clips: Annotated[int, typer.Option("--clips", help="With --conditions: clips of each.", min=1)] = 24,
    rate: RateOption = 4.0,
    model: ModelOption = "compact",
    backend: BackendOption = "auto",
    topic: TopicOption = None,
    fps: FpsOption = None,
    stride: Annotated[
        int | None, typer.Option("--stride", help="Source frames between the starts of windows.", min=1)
    ] = None,
    camera_height: CameraHeightOption = None,
    json: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Compare with true poses: AUC@5, ATE, scale and drift over 16-frame windows, beside going straight ahead."""
    from lapose_core.files import write_atomically
    from lapose_core.models import find_model
    from lapose_core.runtime.backends.open import open_backend

    if json is not None:
        _check_writable(json)
    names = source or []
    if conditions:
        from lapose_core.evaluation.conditions import evaluate_conditions
        from lapose_core.world.conditions import check_condition

        for name in names:
            check_condition(name)
        opened_backend = open_backend(find_model(model), backend)
        report = evaluate_conditions(opened_backend, rate, names, clips=clips, progress=not quiet)
    else:
        from lapose_core.data.open import open_source
        from lapose_core.evaluation.report import evaluate as evaluate_source

        if len(names) != 1:
            raise LaposeError("evaluate takes one source with true poses, or --conditions: see lapose evaluate --help")
        opened = open_source(Path(names[0]), topic=topic, fps=fps)
        opened_backend = open_backend(find_model(model), backend)
        report = evaluate_source(
            opened, opened_backend, rate, stride=stride, camera_height_m=camera_height, progress=not quiet
        )
    typer.echo(report)
    if json is not None:
        write_atomically(json, lambda path: path.write_text(report.to_json() + "\n"))


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="A model folder, or the name of a shipped one.")] = "compact",
    clips: Annotated[int, typer.Option("--clips", help="Rendered clips to fit on; some of their pictures bad.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Another number, other clips.", min=0)] = 0,
    backend: BackendOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Make the model's variances honest: fits a few factors on rendered clips, writes MODEL/calibration.json."""
    from lapose_core.calibration.calibrate import calibrate as calibrate_model
    from lapose_core.models import find_model

    typer.echo(calibrate_model(find_model(model), clips=clips, seed=seed, backend=backend, progress=not quiet))


@train.command("pose")
def train_pose(
    config: ConfigOption,
    output: TrainOutputOption,
    start_from: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Folder of an earlier run to start from; again for the parts another one trained."),
    ] = None,
    minutes: MinutesOption = None,
    leg: Annotated[int | None, typer.Option(help="Which part of the learning rate's schedule this run is.")] = None,
    legs: Annotated[int | None, typer.Option(help="How many parts the schedule has.")] = None,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="On top of a pretrained model, train its encoder as well.")
    ] = False,
) -> None:
    """Train motions on rendered drives; on top of a pretrained model (--from), its encoder frozen."""
    _need_for_training()
    from lapose_core.training.config import TrainConfig
    from lapose_core.training.pose import train_pose as train_run

    encoder = "trained" if finetune else None
    settings = TrainConfig.load(config, minutes=minutes, leg=leg, legs=legs, encoder=encoder)
    train_run(settings, output, start_from=start_from or ())


@train.command("vqvae")
def train_vqvae(
    config: ConfigOption,
    output: TrainOutputOption,
    minutes: MinutesOption = None,
) -> None:
    """Train the VQ-VAE, whose codes pretraining predicts."""
    _need_for_training()
    _need("vector_quantize_pytorch", "train")
    from lapose_core.training.config import VQVAETrainConfig
    from lapose_core.training.vqvae import train_vqvae as train_run

    train_run(VQVAETrainConfig.load(config, minutes=minutes), output)


@train.command("pretrain")
def train_pretrain(
    config: ConfigOption,
    output: TrainOutputOption,
    vqvae: Annotated[Path, typer.Option("--vqvae", help="Folder that `lapose train vqvae` wrote.")],
    start_from: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of a run of `train pose`: what finds the matches is taken, and frozen."),
    ] = None,
    minutes: MinutesOption = None,
) -> None:
    """Learn latent actions from unlabelled clips: rendered, your own drives, or shards."""
    _need_for_training()
    _need("vector_quantize_pytorch", "train")
    from lapose_core.training.config import PretrainConfig
    from lapose_core.training.pretrain import train_pretrain as train_run

    train_run(PretrainConfig.load(config, minutes=minutes), output, vqvae, start_from=start_from)


@train.command("mean")
def train_mean(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs that went on from each other, or of models.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the checkpoint of their mean.")],
) -> None:
    """Average the weights of runs: often better than each of them on pictures unlike those of the training."""
    _need_for_training()
    from lapose_core.training.average import average_runs

    average_runs(runs, output)


@data.command("pack")
def data_pack(
    source: Annotated[Path, typer.Argument(help="Folder with your drives: videos, bags, image folders.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the shards; goes on if it can.")],
    preset: Annotated[str, typer.Option("--preset", help="Whose input size frames are shrunk to.")] = "compact",
    slowest: Annotated[float, typer.Option("--slowest", help="Slowest frame rate of a clip (Hz).", min=0.01)] = 1.0,
    fastest: Annotated[float, typer.Option("--fastest", help="Frames a second that are kept.", min=0.01)] = 4.0,
    frames: Annotated[int, typer.Option("--frames", help="Frames of a clip.", min=2)] = 16,
    workers: Annotated[int, typer.Option("--workers", help="Processes; 0 for one a core.", min=0)] = 0,
    quality: Annotated[int, typer.Option("--quality", help="Of the JPEGs.", min=50, max=100)] = 92,
    shard_mb: Annotated[int, typer.Option("--shard-mb", help="Size of a shard.", min=1)] = 256,
    fps: FpsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Pack drives into shards for pretraining: WebDataset tars and a manifest."""
    _need("webdataset", "train")
    from lapose_core.data.chunks import ClipRates
    from lapose_core.data.pack import pack
    from lapose_core.model.config import preset as sizes_of

    manifest = pack(
        source, output, sizes_of(preset), ClipRates(slowest, fastest, frames), workers=workers, quality=quality,
        shard_mb=shard_mb, fps=fps, progress=not quiet,
    )  # fmt: skip
    size = sum(shard["bytes"] for shard in manifest["shards"]) / 1e6
    typer.echo(
        f"{output}: {manifest['drives']} drives, {manifest['frames']} frames, {len(manifest['shards'])} shards, "
        f"{size:.1f} MB; left out {len(manifest['left_out'])}"
    )


@export.command("onnx")
def export_onnx(
    checkpoint: Annotated[Path, typer.Argument(help="Folder that training wrote, or a model folder.")],
    output: Annotated[Path, typer.Option("--output", help="Model folder to write, like models/compact.")],
) -> None:
    """Write a model folder: weights in half precision, and ONNX graphs for running without torch."""
    _need("torch", "train")
    if not any((checkpoint / name).is_file() for name in ("progress.json", "weights.safetensors")):
        raise LaposeError(f"{checkpoint} is no training run: give the folder that `lapose train pose --output` wrote")
    from lapose_core.export.onnx import export_checkpoint

    for path in export_checkpoint(checkpoint, output):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


@export.command("tensorrt")
def export_tensorrt(
    model: Annotated[str, typer.Argument(help="A model folder, or the name of a shipped one.")] = "compact",
    rtx: Annotated[bool, typer.Option("--rtx", help="For TensorRT-RTX, which builds without a GPU.")] = False,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option("--compute-capability", help="With --rtx: GPUs to build for, such as 8.6; again for several."),
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help="half or float32.")] = "half",
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the engines; by default where they will be looked for.")
    ] = None,
) -> None:
    """Build the engines of a model before they are needed: for this machine's GPU, or with --rtx for others.

    Engines in the folder `engines` of a model folder are used where they fit; else those in the user's cache are.
    """
    _need("onnx", "tensorrt_rtx" if rtx else "tensorrt")
    from lapose_core.export.tensorrt import export_engines, load_library, target_gpus
    from lapose_core.models import find_model

    model_dir, library = find_model(model), load_library("tensorrt_rtx" if rtx else "tensorrt")
    for gpu in target_gpus(library, compute_capability or ()):
        for path in export_engines(model_dir, output, library, gpu, precision, report=typer.echo):
            typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


@export.command("int8")
def export_int8(
    output: Annotated[Path, typer.Option("--output", help="Model folder to write; must not exist.")],
    model: ModelOption = "compact",
    clips: Annotated[int, typer.Option("--clips", help="Rendered clips to find the numbers' ranges on.")] = 80,
    seed: Annotated[int, typer.Option("--seed", help="Another number, other clips.", min=0)] = 0,
    quiet: QuietOption = False,
) -> None:
    """Write a model folder for small CPUs: tokenizer and inverse dynamics in int8, to be run by ONNX Runtime.

    Its accuracy and speed beside those of float32 are in docs/performance.md. The calibration stays that of MODEL.
    """
    _need("onnx", "train")
    from lapose_core.export.int8 import export_int8 as export_model
    from lapose_core.models import find_model

    for path in export_model(find_model(model), output, clips=clips, seed=seed, progress=not quiet):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


@world.command("preview")
def world_preview(
    output: Annotated[Path, typer.Option("--output", help="PNG file to write.")] = Path("world.png"),
    clips: Annotated[int, typer.Option(help="Rows: one clip each.", min=1)] = 6,
    frames: Annotated[int, typer.Option(help="Columns: frames of a clip.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Another number, another world.", min=0)] = 0,
    flow: Annotated[bool, typer.Option("--flow", help="Draw the exact flow to the next frame as arrows.")] = False,
    conditions: Annotated[
        bool, typer.Option("--conditions", help="Two frames of each condition that `lapose evaluate` knows instead.")
    ] = False,
) -> None:
    """Draw a contact sheet of random clips."""
    from lapose_core.world.preview import write_conditions_sheet, write_contact_sheet

    if conditions:
        write_conditions_sheet(output)
    else:
        write_contact_sheet(output, clips=clips, frames=frames, seed=seed, flow=flow)
    typer.echo(f"wrote {output}")


@world.command("bag")
def world_bag(
    output: Annotated[Path, typer.Argument(help="Bag folder to write; must not exist.")],
    seconds: Annotated[float, typer.Option(help="Length of the drive.", min=1.0)] = 45.0,
    rate: Annotated[float, typer.Option(help="Images a second.", min=0.5)] = 10.0,
    width: Annotated[int, typer.Option(min=64)] = 640,
    height: Annotated[int, typer.Option(min=48)] = 360,
    seed: Annotated[int, typer.Option(help="Another number, another drive.", min=0)] = 0,
    raw: Annotated[bool, typer.Option("--raw", help="sensor_msgs/Image instead of JPEG.")] = False,
) -> None:
    """Record a rendered drive as an MCAP bag: images, camera_info, true poses and tf."""
    from lapose_core.world.bag import write_drive_bag

    write_drive_bag(output, seconds=seconds, rate_hz=rate, width=width, height=height, seed=seed, compressed=not raw)
    typer.echo(f"wrote {output}")


def _need_for_training() -> None:
    for module in ("torch", "lightning_fabric", "safetensors"):
        _need(module, "train")


def _need(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise LaposeError(f"this needs {module}: pip install 'lapose[{extra}]'")


def _check_writable(path: Path) -> None:
    """Raise LaposeError where `path` cannot be written: before the work rather than after it."""
    if path.is_dir():
        raise LaposeError(f"{path} is a folder: give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise LaposeError(f"cannot write {path} ({error.strerror}): choose another place") from None


def main() -> None:
    """Run the command line; what a user can mend is one line on stderr and exit code 2."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: FFmpeg's own lines about a bad video say less
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices alone: see lapose_ros/__init__.py
    try:
        app(prog_name="lapose")
    except LaposeError as error:
        print(f"lapose: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"lapose: cannot use {error.filename} ({error.strerror}): choose another path", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("lapose: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
