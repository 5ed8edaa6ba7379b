"""The online system: an image goes in, the camera's motion and odometry come out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from lapose_core.adjustment.camera import KnownCamera
from lapose_core.adjustment.learned import NOTHING_LEARNED, LearnedCamera
from lapose_core.data.preprocess import PrincipalPoint, find_crop, source_fov_x
from lapose_core.data.sampling import FrameSampler
from lapose_core.data.source import Frame
from lapose_core.errors import LaposeError
from lapose_core.model.config import ModelConfig
from lapose_core.motion import Motion, Odometry
from lapose_core.runtime.backends.backend import Backend, InferredSteps
from lapose_core.runtime.estimate import UNSEEN_SPEED_MPS, UNSEEN_TURN_RADPS, estimate_motions, unseen_variance
from lapose_core.runtime.pose_doubt import PoseDoubt
from lapose_core.runtime.view import look
from lapose_core.runtime.window import Window


class StaleFrameError(LaposeError):
    """A frame that is not newer than the one before; the odometer has left it out."""


@dataclass(frozen=True)
class OdometerConfig:
    """What the odometer does beyond the model.

    Attributes:
        max_gap_s: a longer time between frames starts a new window; the pose stays.
        gap_speed_mps, gap_turn_radps: standard deviations of the unknown motion in such a gap, and while the camera
            is blind. Variances grow by (speed * seconds)^2 in each direction and by (turn * seconds)^2 about each axis.
        principal_point: where the camera's optical axis meets the image (x, y), pixels, where it is known; the model's
            input is centred on it, else on the image's middle.
        fov_x_rad: horizontal field of view of the image, as if the principal point were central, where it is known.
            Rotations, directions and the scale are better with it.
        camera_height_m: the camera's above the road, where it is known. The scale is as good as that.
    """

    max_gap_s: float = 2.5
    gap_speed_mps: float = UNSEEN_SPEED_MPS
    gap_turn_radps: float = UNSEEN_TURN_RADPS
    principal_point: PrincipalPoint = None
    fov_x_rad: float | None = None
    camera_height_m: float | None = None

    def unseen_variance(self, seconds: float) -> np.ndarray:
        """Variances (6,) of a motion that nobody has seen; the same in all axes."""
        return unseen_variance(self.gap_speed_mps, self.gap_turn_radps) * seconds**2

    def camera(self, width: int, height: int, model: ModelConfig) -> KnownCamera:
        """What is known of the camera of images of this size, for a model's input."""
        focal = None
        if self.fov_x_rad is not None:
            crop = find_crop(width, height, model, self.principal_point)
            focal = 0.5 * width / math.tan(0.5 * self.fov_x_rad) * model.image_width / crop.width
        axis = None if self.principal_point is None else (0.0, 0.0)
        return KnownCamera(focal, axis, height=self.camera_height_m)


@dataclass(frozen=True)
class Track:
    """What the odometer knows by its newest frame; it never changes, a frame gives another one.

    Attributes:
        window: frames and latent actions; empty before the first frame, and after a gap.
        pose_odom_camera, motion: see `Odometry`.
        doubt: of the pose.
        learned: of the camera.
    """

    window: Window
    pose_odom_camera: np.ndarray
    doubt: PoseDoubt
    motion: Motion | None = None
    learned: LearnedCamera = NOTHING_LEARNED

    def odometry(self, *, is_step: bool) -> Odometry:
        return Odometry(
            stamp_ns=self.window.stamps_ns[-1],
            pose_odom_camera=self.pose_odom_camera.copy(),
            covariance=self.doubt.covariance.copy(),
            motion=self.motion,
            window_fill=len(self.window.stamps_ns),
            is_step=is_step,
        )


class Odometer:
    """Estimates a camera's motion frame by frame. It has no threads, no clock and no input or output.

    Where a latent action depends on two adjacent frames only (`compact`), each is inferred once and kept: the window's
    motions are the same numbers as if all of its frames were run again. Where it depends on all past frames (`paper`),
    the window's actions are inferred again for each frame, from tokens that are kept: exact too, and more work.
    """

    def __init__(self, backend: Backend, config: OdometerConfig | None = None) -> None:
        """Raises LaposeError for a model whose latent actions depend on neither two frames nor the whole window."""
        sizes = backend.config
        if sizes.context_frames not in (2, sizes.clip_length):
            raise LaposeError(
                f"model {sizes.preset!r} looks at {sizes.context_frames} frames for one latent action and cannot run "
                f"frame by frame: use one with context_frames = 2 or {sizes.clip_length}, such as compact or paper"
            )
        self.backend = backend
        self.config = config or OdometerConfig()
        self._empty_window = Window(sizes.clip_length, sizes.context_frames)
        self.reset()

    @property
    def learned(self) -> LearnedCamera:
        """What the drive has told of the camera."""
        return self._track.learned

    def reset(self) -> None:
        """Forget everything: the next frame is the origin."""
        self._begin(NOTHING_LEARNED)

    def restart(self) -> None:
        """Forget the way: the next frame is the origin. The camera is the same, and what it has told stays."""
        self._begin(self._track.learned)

    def _begin(self, learned: LearnedCamera) -> None:
        self._track = Track(self._empty_window, np.eye(4), PoseDoubt(), learned=learned)
        self._newest = self._track  # that of a measured frame, where one came last

    def know_camera(self, principal_point: PrincipalPoint, fov_x_rad: float | None) -> None:
        """From the next frame on the camera is known, or no longer; see `OdometerConfig`.

        What the drive has told of it is forgotten.
        """
        self.config = replace(self.config, principal_point=principal_point, fov_x_rad=fov_x_rad)
        self._track, self._newest = (replace(track, learned=NOTHING_LEARNED) for track in (self._track, self._newest))

    def take_frame(self, frame: Frame, steps: FrameSampler) -> Odometry:
        """Step the window to the frame where `steps` wants one, or where it has none; else measure the frame.

        This is odometry at the camera's rate: the window's frames are as far apart as the model needs them, and each
        image has its pose. Raises what `register_frame` and `measure_frame` raise; a frame that is refused is no step.
        """
        wanted = steps.wants(frame.stamp_ns)
        if not wanted and self._track_until(frame.stamp_ns).window.stamps_ns:
            return self.measure_frame(frame)
        odometry = self.register_frame(frame)
        steps.keep(frame.stamp_ns)
        return odometry

    def register_frame(self, frame: Frame) -> Odometry:
        """Take the next frame into the window and tell where the camera is.

        Args:
            frame: newer than the one before; every image of the same camera.

        Returns:
            The odometry at this frame. Its motion is None for the first frame, and for the first one after a gap.

        Raises:
            StaleFrameError: the stamp is not newer than the last; the odometer is as it was.
            LaposeError: the image is smaller than the model's input, or damaged; the odometer is as it was.
        """
        self._track = self._newest = self._follow(frame)
        return self._track.odometry(is_step=True)

    def measure_frame(self, frame: Frame) -> Odometry:
        """Tell where the camera is at a frame between those of the window, which stays as if it had never come.

        The frame is measured against the window's last one, so that cameras may be faster than the window steps: the
        odometry is the one that `register_frame` would give, and nothing jumps when the window does step. After a gap
        the pose goes on from the newest frame, measured or registered. Raises what `register_frame` raises; the frame
        must be newer than the last one *registered*.
        """
        self._newest = self._follow(frame)
        return self._newest.odometry(is_step=False)

    def _follow(self, frame: Frame) -> Track:
        """The online system: one image further."""
        track = self._track_until(frame.stamp_ns)
        prepared = self.backend.prepare(frame.image_HWC, self.config.principal_point)
        picture_HW = self.backend.picture(prepared)
        features = self.backend.tokenize(prepared)  # a GPU is at it while the CPU looks
        view = look(frame.image_HWC, picture_HW)
        window = track.window.extended(features, view, frame.stamp_ns, self.backend.infer_steps)
        if window.inferred is None:
            return replace(track, window=window)
        motion, learned = self._newest_motion(window, window.inferred, frame, track.learned)
        doubt = track.doubt.after(motion, track.pose_odom_camera)
        return Track(window, track.pose_odom_camera @ motion.pose_from_to, doubt, motion, learned)

    def _newest_motion(
        self, window: Window, inferred: InferredSteps, frame: Frame, learned: LearnedCamera
    ) -> tuple[Motion, LearnedCamera]:
        """Decode the whole window, because its steps tell the scale together, and take the last step."""
        height, width = frame.image_HWC.shape[:2]
        camera = replace(self.config.camera(width, height, self.backend.config), learned=learned)
        unseen_variance_6 = self.config.unseen_variance(1.0)
        motions = estimate_motions(self.backend, inferred, window.intervals_S, window.steps, unseen_variance_6, camera)
        fov_x_model, principal_point = float(motions.seen_fov_x_S[-1]), self.config.principal_point
        motion = Motion(
            stamp_from_ns=window.stamps_ns[-2],
            stamp_to_ns=window.stamps_ns[-1],
            pose_from_to=motions.poses_S44[-1],
            covariance=motions.covariance_S66[-1],
            scale_deviation=float(motions.scale_deviation_S[-1]),
            scale_m=float(motions.scale_m),
            fov_x_rad=source_fov_x(fov_x_model, width, height, self.backend.config, principal_point),
            action=inferred.actions_SK[-1],
        )
        return motion, motions.learned

    def _track_until(self, stamp_ns: int) -> Track:
        """What is known before a frame of this stamp: after a gap the window is new, and the pose doubtful."""
        track, newest = self._track, self._newest
        if not track.window.stamps_ns:
            return track
        last_ns = track.window.stamps_ns[-1]
        if stamp_ns <= last_ns:
            raise StaleFrameError(
                f"a frame of {stamp_ns} ns came after one of {last_ns} ns: give frames in order of time"
            )
        if (stamp_ns - last_ns) * 1e-9 <= self.config.max_gap_s:
            return track
        unseen_s = max(0, stamp_ns - newest.window.stamps_ns[-1]) * 1e-9
        doubt = newest.doubt.unseen(self.config.unseen_variance(unseen_s))
        return Track(self._empty_window, newest.pose_odom_camera, doubt, learned=track.learned)
