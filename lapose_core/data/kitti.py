"""Sequences of the KITTI odometry benchmark (Geiger et al., CVPR 2012), in its own layout.

sequences/NN/{image_0 or image_2}/000000.png ...
sequences/NN/calib.txt   projection matrices P0 to P3
sequences/NN/times.txt   seconds
poses/NN.txt             poses of the left grey camera (camera 0) in its first frame; not for every sequence
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from lapose_core.data.encoded import EncodedFrame, EncodedSource
from lapose_core.data.images import image_size, list_images, read_image
from lapose_core.data.source import Intrinsics
from lapose_core.errors import LaposeError
from lapose_core.geometry import Trajectory, invert_pose, read_kitti_times

#: Left colour, left grey: colour is preferred where both are there.
_CAMERAS = ("image_2", "image_0")


class KittiSource(EncodedSource):
    """One sequence folder, `.../sequences/NN`."""

    def __init__(self, path: Path, *, rate_hz: float | None = None) -> None:
        """Open a sequence.

        Args:
            rate_hz: frames a second to keep; None keeps all.

        Raises LaposeError where one of the sequence's files is missing or wrong.
        """
        super().__init__(path, rate_hz)
        sequence = path.resolve()
        camera = _camera_folder(sequence)
        self._images = list_images(camera) if camera else []
        if camera is None or not self._images:
            raise LaposeError(f"{path} has no images in {' or '.join(_CAMERAS)}: a KITTI sequence needs one of them")
        self.name = f"kitti_{sequence.name}"

        times = sequence / "times.txt"
        stamps_ns = read_kitti_times(times)
        try:
            self._stamps_ns = [int(stamps_ns[int(image.stem)]) for image in self._images]
        except (ValueError, IndexError):
            raise LaposeError(f"{times} does not go with the images of {camera}: get the sequence's own file") from None
        self._expect_frames(self._stamps_ns)

        projection = _read_projection(sequence / "calib.txt", f"P{camera.name[-1]}")
        width, height = image_size(self._images)
        self.intrinsics = Intrinsics(
            projection[0, 0], projection[1, 1], projection[0, 2], projection[1, 2], width, height
        )
        poses = sequence.parent.parent / "poses" / f"{sequence.name}.txt"
        if poses.is_file():
            self.poses = _poses_of_camera(Trajectory.read_kitti(poses, times), projection)

    def encoded_frames(self) -> Iterator[EncodedFrame]:
        for image, stamp_ns in zip(self._images, self._stamps_ns, strict=True):
            yield EncodedFrame(stamp_ns, partial(read_image, image))


def is_kitti_sequence(path: Path) -> bool:
    """Whether a folder is laid out as one."""
    return (path / "calib.txt").is_file() and _camera_folder(path) is not None


def _camera_folder(sequence: Path) -> Path | None:
    return next((sequence / name for name in _CAMERAS if (sequence / name).is_dir()), None)


def _read_projection(path: Path, name: str) -> np.ndarray:
    """Projection matrix (3, 4) of a camera, pixels."""
    try:
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if line.strip())
        return np.array(lines[name].split(), float).reshape(3, 4)
    except (OSError, ValueError, KeyError):
        raise LaposeError(f"{path} has no line '{name}:' with 12 numbers: get the sequence's own calib.txt") from None


def _poses_of_camera(poses_camera0: Trajectory, projection: np.ndarray) -> Trajectory:
    """Poses of the camera with this projection, which is K [I | t]: t moves points of camera 0 into it."""
    pose_camera_camera0 = np.eye(4)
    pose_camera_camera0[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    return Trajectory(poses_camera0.stamps_ns, poses_camera0.poses @ invert_pose(pose_camera_camera0))
