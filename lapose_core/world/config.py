"""What the rendered world is like: the ranges that clips are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from lapose_core.errors import LaposeError

Range = tuple[float, float]


@dataclass(frozen=True)
class WorldConfig:
    """Ranges (low, high) and shares of the rendered drives. Metres, seconds, degrees; m/s for speeds.

    Attributes:
        rate_hz: frames a second, drawn log-uniformly for each clip.
        place_shares: how often the clip lies in a city, a suburb, the country, on a motorway.
        one_way_share: streets of cities and suburbs that are one-way, one or two lanes.
        turning_share: clips that pass a sharp turn; bends come on top.
        reversing_share, standing_share, stopping_share: clips driven backwards, parked, with a stop on the way.
        lateral_acceleration: what drivers accept in bends, m/s^2.
        camera_height, camera_height_tail, tail_share: usual heights above the ground, and the range of the rest.
        camera_ahead, camera_aside: place of the camera ahead of the rear axle, and to the left of the middle.
        mount_pitch_deg, mount_roll_deg, mount_yaw_deg: how the camera sits, standard deviations.
        shake_share, shake_deg: clips whose camera shakes on its mount, and the standard deviation of each frame's
            rotation about each axis, drawn log-uniformly for each clip.
        principal_point: standard deviation across and along the picture of the principal point, in image widths.
        fov_x_deg: horizontal field of view.
        fov_x_usual_deg, fov_x_usual_share: mean and standard deviation of what most front cameras have, and the share
            of clips seen through such a one; the rest are spread over the whole range. On a straight road nothing tells
            the field of view, and speed hangs on the guess. Those of published driving datasets have 48 to 66 degrees.
        distortion: standard deviation of what is left of the lens after rectification: `Clips.distortion_B`.
        barrel_share, barrel: clips through a lens that nobody has rectified, and how far such a one bends: the same
            number, its sign turned round.
        slope_share: clips in which the road climbs and falls: one vertical curve each, between two grades.
        rolling_share, readout_s: clips whose camera reads its rows one after the other, and how long a picture takes.
            Poses are those of the middle row.
        traffic: mean number of vehicles driving about.
        dense_share: clips in dense traffic: vehicles ahead and in all lanes, most of them at about our own speed.
        weather_shares: how often it is clear (sunny or overcast), foggy, rainy, night.
        bonnet_share: clips in which the own bonnet is seen.
        max_boxes: boxes kept for a frame, the ones that look largest first.
    """

    rate_hz: Range = (1.0, 10.0)
    place_shares: tuple[float, float, float, float] = (0.38, 0.3, 0.17, 0.15)
    one_way_share: float = 0.0
    turning_share: float = 0.35
    reversing_share: float = 0.07
    standing_share: float = 0.05
    stopping_share: float = 0.12
    lateral_acceleration: Range = (1.2, 6.5)
    camera_height: Range = (1.2, 1.9)
    camera_height_tail: Range = (1.0, 2.6)
    tail_share: float = 0.15
    camera_ahead: Range = (0.6, 2.4)
    camera_aside: Range = (-0.35, 0.35)
    mount_pitch_deg: float = 3.0
    mount_roll_deg: float = 1.0
    mount_yaw_deg: float = 0.8
    shake_share: float = 0.3
    shake_deg: Range = (0.1, 1.0)
    principal_point: tuple[float, float] = (0.012, 0.008)
    fov_x_deg: Range = (45.0, 105.0)
    fov_x_usual_deg: Range = (58.0, 7.0)
    fov_x_usual_share: float = 0.6
    distortion: float = 0.0
    barrel_share: float = 0.0
    barrel: Range = (0.03, 0.15)
    slope_share: float = 0.0
    rolling_share: float = 0.0
    readout_s: Range = (0.005, 0.03)
    traffic: float = 3.0
    dense_share: float = 0.15
    weather_shares: tuple[float, float, float, float] = (0.7, 0.12, 0.1, 0.08)
    bonnet_share: float = 0.15
    max_boxes: int = 128

    def __post_init__(self) -> None:
        """Raise LaposeError where shares of places or of weather are none."""
        for name in ("place_shares", "weather_shares"):
            shares = getattr(self, name)
            if len(shares) != 4 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise LaposeError(f"{name}: {list(shares)} are no shares: give four numbers that add up to 1")
