"""One way in: any path that holds frames becomes a source."""

from __future__ import annotations

from pathlib import Path

from lapose_core.data.images import ImageFolderSource, list_images
from lapose_core.data.kitti import KittiSource, is_kitti_sequence
from lapose_core.data.rosbag import BAG_SUFFIXES, RosbagSource
from lapose_core.data.source import Source
from lapose_core.data.video import VideoSource
from lapose_core.errors import LaposeError


def open_source(
    path: Path | str, *, topic: str | None = None, rate_hz: float | None = None, fps: float | None = None
) -> Source:
    """Open a video file, a folder of images, a KITTI sequence folder or a ROS bag.

    Args:
        path: the file or folder; what it holds decides how it is read.
        topic: the images of a bag; None takes the only image topic that it has.
        rate_hz: frames a second that the source yields, as near as its stamps allow; None yields all.
        fps: frames a second of a video or image folder as it was recorded; None takes the stamps that it holds.

    Raises LaposeError, in one line, where the path holds nothing of the kind.
    """
    path = Path(path)
    if fps is not None and not fps > 0:
        raise LaposeError(f"--fps {fps:g} is not possible: give a positive number of frames a second")
    if not path.exists():
        raise LaposeError(f"no such file or folder: {path}")
    if _is_bag(path):
        return RosbagSource(path, topic=topic, rate_hz=rate_hz)
    if path.is_file():
        return VideoSource(path, rate_hz=rate_hz, fps=fps)
    if is_kitti_sequence(path):
        return KittiSource(path, rate_hz=rate_hz)
    if list_images(path):
        return ImageFolderSource(path, rate_hz=rate_hz, fps=fps)
    bags = [file for file in path.iterdir() if file.suffix in BAG_SUFFIXES]
    if len(bags) == 1:
        return RosbagSource(bags[0], topic=topic, rate_hz=rate_hz)
    raise LaposeError(f"{path} holds no images, KITTI sequence (calib.txt and image_0 or image_2) or bag")


def _is_bag(path: Path) -> bool:
    return path.suffix in BAG_SUFFIXES if path.is_file() else (path / "metadata.yaml").is_file()
