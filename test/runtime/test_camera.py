"""Rectification, against images that are drawn through the camera models by their own formulas."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.data.raw_image import INTERLEAVED, RawImage
from lapose_core.errors import LaposeError
from lapose_core.runtime.camera import Calibration, Rectifier

WIDTH, HEIGHT = 400, 240
K = np.array([[250.0, 0, 180.0], [0, 240.0, 130.0], [0, 0, 1]])

MODELS = {
    "plumb_bob": [-0.25, 0.06, 0.001, -0.0005, 0.0],
    "rational_polynomial": [0.1, -0.05, 0.0005, 0.0003, 0.01, 0.3, -0.02, 0.02],
    "equidistant": [0.05, -0.01, 0.002, -0.0005],
    "none": [],
}


def distort(model: str, d: list[float], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays through (x, y, 1) go on the sensor's plane at distance 1: OpenCV's documented formulas."""
    r2 = x**2 + y**2
    if model == "none":
        return x, y
    if model == "equidistant":
        r = np.sqrt(r2)
        t = np.arctan(r)
        t_d = t * (1 + d[0] * t**2 + d[1] * t**4 + d[2] * t**6 + d[3] * t**8)
        factor = np.where(r > 1e-9, t_d / np.maximum(r, 1e-9), 1.0)
        return x * factor, y * factor
    k1, k2, p1, p2, k3 = d[:5]
    below = 1 + sum(k * r2**power for power, k in enumerate(d[5:8], start=1))
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / below
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
        y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
    )


def calibration(kind: str, **changes) -> Calibration:
    fields = dict(width=WIDTH, height=HEIGHT, k=K.ravel(), d=np.array(MODELS[kind]), p=np.zeros(12), model=kind)
    return Calibration.from_camera_info(**(fields | changes))


@pytest.mark.parametrize("model", MODELS)
def test_rectified_points_lie_where_a_centred_pinhole_camera_sees_them(model: str) -> None:
    rectifier = Rectifier(calibration(model))
    # A spot for each of a few rays, drawn where the real camera sees it.
    found = []
    rays = [(x, y) for x in (-0.4, 0.0, 0.35) for y in (-0.25, 0.0, 0.2)]
    for x, y in rays:
        u, v = distort(model, MODELS[model], np.array(x), np.array(y))
        u, v = K[0, 0] * u + K[0, 2], K[1, 1] * v + K[1, 2]
        columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        spot = 255 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 3.0**2))
        image = rectifier.rectify(np.repeat(spot[..., None], 3, axis=-1).astype(np.uint8))[..., 0].astype(float)
        columns, rows = np.meshgrid(np.arange(image.shape[1]), np.arange(image.shape[0]))
        found.append([(columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()])
    focal = 0.5 * WIDTH / np.tan(0.5 * rectifier.fov_x_rad)
    centre = 0.5 * (np.array(image.shape[1::-1]) - 1)
    np.testing.assert_allclose(found, focal * np.array(rays) + centre, atol=0.5)


@pytest.mark.parametrize("model", MODELS)
def test_rectified_image_has_no_empty_border_and_keeps_its_width(model: str) -> None:
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)

    rectified = Rectifier(calibration(model)).rectify(white)

    assert rectified.shape[1] == WIDTH
    assert rectified[1:-1, 1:-1].min() == 255


def test_camera_that_is_a_centred_pinhole_already_is_left_as_it_is() -> None:
    k = np.array([250.0, 0, 0.5 * WIDTH, 0, 250.0, 0.5 * HEIGHT, 0, 0, 1])
    rectifier = Rectifier(calibration("plumb_bob", k=k, d=np.zeros(5)))
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    assert not rectifier.is_needed
    assert rectifier.rectify(image) is image
    assert rectifier.fov_x_rad == pytest.approx(2 * np.arctan(0.5 * WIDTH / 250.0), rel=0.01)


def test_a_fisheye_beyond_half_a_sphere_is_cut_to_what_a_flat_image_can_show() -> None:
    k = np.array([110.0, 0, 200.0, 0, 110.0, 120.0, 0, 0, 1])  # 208 degrees across

    rectifier = Rectifier(calibration("equidistant", k=k))
    white = rectifier.rectify(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))

    assert np.degrees(rectifier.fov_x_rad) == pytest.approx(110.0)
    assert white.min() == 255


def test_rectified_topics_are_described_by_the_projection_matrix() -> None:
    p = np.array([300.0, 0, 200.0, 0, 0, 300.0, 120.0, 0, 0, 0, 1, 0])

    rectifier = Rectifier(calibration("plumb_bob", p=p, rectified=True))

    assert not rectifier.is_needed
    assert rectifier.fov_x_rad == pytest.approx(2 * np.arctan(200 / 300), rel=0.01)


def test_binning_and_region_of_interest_describe_the_image_that_is_sent() -> None:
    sent = calibration("plumb_bob", binning=(2, 2), roi=(40, 20, 320, 200))

    assert (sent.width, sent.height) == (160, 100)
    np.testing.assert_allclose(sent.matrix, [[125, 0, 70], [0, 120, 55], [0, 0, 1]])


def test_images_that_were_shrunk_on_the_way_are_known_again_and_cut_ones_are_not() -> None:
    half = calibration("plumb_bob").for_size(WIDTH // 2, HEIGHT // 2)
    np.testing.assert_allclose(half.matrix[:2], K[:2] / 2)

    with pytest.raises(LaposeError, match="camera_info is for 400x240 and the images are 400x200"):
        calibration("plumb_bob").for_size(400, 200)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"model": "thin_prism"}, "'thin_prism' is not supported: publish one of plumb_bob"),
        ({"d": np.zeros(7)}, "7 coefficients"),
        ({"k": np.zeros(9)}, "not calibrated"),
    ],
)
def test_calibration_that_cannot_be_used_says_why(changes: dict, line: str) -> None:
    with pytest.raises(LaposeError, match=line):
        calibration("plumb_bob", **changes)


def test_cameras_repeat_their_calibration_without_a_change() -> None:
    assert calibration("plumb_bob").same_as(calibration("plumb_bob"))
    assert not calibration("plumb_bob").same_as(calibration("equidistant"))
    assert not calibration("plumb_bob").same_as(None)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "mono8", "yuv422", "bayer_rggb8", "nv12"])
def test_raw_bytes_are_rectified_as_their_image_is(encoding: str) -> None:
    bytes_a_pixel = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "yuv422": 2, "nv12": 1.5}.get(encoding, 1)
    data = np.random.default_rng(0).integers(0, 256, int(WIDTH * HEIGHT * bytes_a_pixel), np.uint8)
    raw = RawImage(data.tobytes(), HEIGHT, WIDTH, encoding)
    rectifier = Rectifier(calibration("plumb_bob"))
    assert rectifier.is_needed

    rectified = rectifier.rectify(raw)

    image = rectified.decode() if isinstance(rectified, RawImage) else rectified
    np.testing.assert_array_equal(image, rectifier.rectify(raw.decode()))
    assert isinstance(rectified, RawImage) == (encoding in INTERLEAVED)
