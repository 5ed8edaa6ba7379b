"""What kinds of cameras the node takes, and how it finds them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lapose.msg import Status
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lapose_core.data.encodings import SUPPORTED_ENCODINGS, decode_image
from lapose_core.runtime.camera import Calibration, Rectifier
from lapose_ros.messages import pose_of, time_message

from .drive import HEIGHT, STEP_NS, WIDTH, picture, png_message, raw_message, wait_until

PADDING = 12


def encoded(rgb: np.ndarray, encoding: str) -> tuple[bytes, int]:
    """The picture in another encoding, and its step, with padded rows."""
    if encoding in ("nv12", "nv21", "nv24"):
        return planar(rgb, encoding)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    if encoding.startswith("bayer_"):
        pixels = np.empty((HEIGHT, WIDTH), np.uint8)
        for index, letter in enumerate(encoding[6:10]):
            row, column = divmod(index, 2)
            pixels[row::2, column::2] = rgb[row::2, column::2, "rgb".index(letter)]
    elif encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        luma, chroma = brightness_and_colour(rgb)
        pixels = np.empty((HEIGHT, WIDTH, 2), np.uint8)
        at = 1 if encoding in ("yuv422", "uyvy") else 0  # of the brightness
        pixels[..., at] = luma
        pixels[:, 0::2, 1 - at], pixels[:, 1::2, 1 - at] = chroma[:, 0::2, 0], chroma[:, 0::2, 1]
    else:
        pixels = {
            "rgb8": rgb,
            "bgr8": rgb[..., ::-1],
            "rgba8": np.dstack([rgb, alpha]),
            "bgra8": np.dstack([rgb[..., ::-1], alpha]),
            "mono8": grey,
            "mono16": grey,
        }[encoding]
    if encoding.endswith("16"):
        pixels = pixels.astype("<u2") * 257
    rows = np.ascontiguousarray(pixels).reshape(HEIGHT, -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, PADDING)), constant_values=77)
    return padded.tobytes(), padded.shape[1]


def planar(rgb: np.ndarray, encoding: str) -> tuple[bytes, int]:
    """A plane of brightness, then one of colour pairs, whose padding is as much of a pixel."""
    luma, chroma = brightness_and_colour(rgb)
    shared = 1 if encoding == "nv24" else 2
    pairs = chroma[::shared, ::shared, ::-1] if encoding == "nv21" else chroma[::shared, ::shared]
    rows = pairs.reshape(HEIGHT // shared, -1)
    padded = [
        np.pad(luma, ((0, 0), (0, PADDING)), constant_values=77),
        np.pad(rows, ((0, 0), (0, PADDING * 2 // shared)), constant_values=77),
    ]
    return b"".join(plane.tobytes() for plane in padded), WIDTH + PADDING


def brightness_and_colour(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Y (H, W) and UV (H, W, 2), each four pixels with one pair, as cameras send them."""
    yuv = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    chroma = yuv[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2).transpose(1, 2, 0)
    return yuv[:HEIGHT], chroma.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_encodings_with_padded_rows_give_the_latent_actions_of_what_they_show(start_drive, encoding: str):
    drive = start_drive()
    for index in range(2):
        data, step = encoded(picture(index), encoding)
        message = raw_message(picture(index), 1_000_000_000 + index * STEP_NS)
        message.encoding, message.step, message.data = encoding, step, data
        drive.show_and_wait(message)
    wait_until(lambda: len(drive.ego_motions) == 1)
    for index in range(2):
        data, step = encoded(picture(index), encoding)
        shown = decode_image(data, HEIGHT, WIDTH, encoding, step)
        original = picture(index)
        if encoding.startswith("mono"):
            original = np.repeat(original.mean(axis=-1, keepdims=True), 3, axis=-1)
        for channel in range(3):  # as far as the encoding keeps the picture
            assert np.corrcoef(shown[..., channel].ravel(), original[..., channel].ravel())[0, 1] > 0.8
        drive.show_and_wait(raw_message(shown, 100_000_000_000 + index * STEP_NS))
    wait_until(lambda: len(drive.ego_motions) == 2)
    assert np.allclose(drive.ego_motions[0].latent_action, drive.ego_motions[1].latent_action, atol=1e-6)


def test_unknown_encoding_names_itself_and_those_that_are_known(start_drive):
    drive = start_drive()
    message = raw_message(picture(0), 1)
    message.encoding = "32FC1"
    drive.show(message)
    wait_until(drive.node.failed.done)
    line = drive.node.failed.result()
    assert "'32FC1' is not supported" in line
    for name in SUPPORTED_ENCODINGS:
        assert name in line


def camera_info(stamp: int = 1, **changes) -> CameraInfo:
    k = [100.0, 0.0, 60.0, 0.0, 100.0, 45.0, 0.0, 0.0, 1.0]
    fields = dict(height=HEIGHT, width=WIDTH, distortion_model="plumb_bob", d=[-0.2, 0.05, 0.0, 0.0, 0.0], k=k)
    message = CameraInfo(**(fields | changes))
    message.header.stamp = time_message(stamp)
    return message


def publish_info(drive, message: CameraInfo) -> None:
    publisher = drive.helper.create_publisher(CameraInfo, "/camera_info", 10)
    wait_until(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(message)
    wait_until(lambda: drive.node.estimator.camera_info._newest is not None)


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", [-0.2, 0.05, 0.0, 0.0, 0.0]),
        ("rational_polynomial", [0.1, -0.05, 0.0005, 0.0003, 0.01, 0.3, -0.02, 0.02]),
        ("equidistant", [0.05, -0.01, 0.002, -0.0005]),
    ],
)
def test_images_are_rectified_by_the_camera_info_beside_them(start_drive, model: str, coefficients: list[float]):
    drive = start_drive()
    statuses = drive.listen(Status, "/lapose/status")
    info = camera_info(distortion_model=model, d=coefficients)
    publish_info(drive, info)
    drive.drive(3)
    wait_until(lambda: len(drive.ego_motions) == 2)
    calibrated = Calibration.from_camera_info(
        width=WIDTH, height=HEIGHT, k=info.k, d=info.d, p=info.p, model=info.distortion_model
    )
    rectifier = Rectifier(calibrated)
    assert rectifier.is_needed
    wait_until(lambda: bool(statuses) and statuses[-1].field_of_view_calibrated == pytest.approx(rectifier.fov_x_rad))
    assert statuses[-1].field_of_view_predicted == pytest.approx(drive.ego_motions[-1].field_of_view)

    # The same pictures, rectified by hand; the calibration is out of use by then.
    drive.node.estimator.camera_info = None
    for index in range(2):
        drive.show_and_wait(raw_message(rectifier.rectify(picture(index)), 100_000_000_000 + index * STEP_NS))
    wait_until(lambda: len(drive.ego_motions) == 3)
    assert np.allclose(drive.ego_motions[2].latent_action, drive.ego_motions[0].latent_action, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"distortion_model": "thin_prism"}, "distortion model 'thin_prism' is not supported"),
        ({"k": [0.0] * 9}, "the camera is not calibrated"),
        ({"width": 4 * WIDTH}, "camera_info is for 640x80 and the images are 160x80"),
    ],
)
def test_camera_info_that_cannot_be_used_is_told_and_does_without(start_drive, changes: dict, line: str):
    drive = start_drive()
    publish_info(drive, camera_info(**changes))
    drive.drive(2)
    assert line in drive.node.estimator.camera_trouble
    wait_until(lambda: any(f"images are not rectified: {line}" in entry for entry in drive.log))


def test_camera_that_zooms_starts_a_new_window_and_keeps_the_pose(start_drive):
    drive = start_drive()
    publish_info(drive, camera_info())
    drive.drive(3)
    drive.node.estimator.camera_info._receive(camera_info(k=[150.0, 0.0, 60.0, 0.0, 150.0, 45.0, 0.0, 0.0, 1.0]))
    drive.show_and_wait(raw_message(picture(3), 1_000_000_000 + 3 * STEP_NS))
    assert np.allclose(pose_of(drive.odometry[3].pose.pose), pose_of(drive.odometry[2].pose.pose))
    assert drive.odometry[3].twist.covariance[0] >= 1e4


def test_calibration_that_the_model_does_not_believe_is_told_on_diagnostics(start_drive):
    drive = start_drive()
    heard = drive.listen(DiagnosticArray, "/diagnostics", 10)

    def camera() -> DiagnosticStatus | None:
        statuses = {status.name: status for status in heard[-1].status} if heard else {}
        return statuses.get("lapose: camera")

    narrow = [500.0, 0.0, 80.0, 0.0, 500.0, 40.0, 0.0, 0.0, 1.0]  # sees 18 degrees, which no road camera does
    publish_info(drive, camera_info(k=narrow, d=[0.0] * 5))
    drive.drive(3)
    wait_until(lambda: camera() is not None and len(camera().values) == 2)
    degrees = {item.key: float(item.value) for item in camera().values}
    calibrated, predicted = np.rad2deg(2 * np.arctan(79.5 / 500)), np.rad2deg(drive.ego_motions[-1].field_of_view)
    assert degrees["field of view, calibrated (deg)"] == pytest.approx(calibrated, abs=0.1)
    assert degrees["field of view, predicted (deg)"] == pytest.approx(predicted, abs=0.1)
    assert camera().level == DiagnosticStatus.WARN
    assert f"calibrated to see 18 degrees, and the model sees {predicted:.0f}" in camera().message


def test_camera_info_may_be_left_unused_or_come_on_another_topic(start_drive):
    drive = start_drive(use_camera_info=False)
    assert drive.node.estimator.camera_info is None
    drive.drive(2)
    elsewhere = start_drive(camera_info_topic="/calibration/front")
    assert elsewhere.node.estimator.camera_info.topic == "/calibration/front"


@pytest.mark.parametrize("image_type", [Image, CompressedImage])
def test_only_camera_is_found_in_the_graph(start_drive, image_type: type):
    drive = start_drive(image_type, image_topic="auto", meet=False)
    make = raw_message if image_type is Image else png_message
    wait_until(lambda: drive.node.image_topic.topic == "/camera")
    drive.wait_for_node()
    drive.show_and_wait(make(picture(0), 1_000_000_000))


def test_several_cameras_are_listed_until_one_is_left(start_drive):
    def second(helper) -> None:
        helper.create_publisher(Image, "/rear/image_raw", 10)

    drive = start_drive(image_topic="auto", silence_s=0.5, meet=False, before=second)
    sentence = "there are several cameras: set image_topic to one of /camera, /rear/image_raw"
    wait_until(lambda: any(sentence in line for line in drive.log), timeout_s=20.0)
    assert drive.node.image_topic.topic is None
    (rear,) = [publisher for publisher in drive.helper.publishers if publisher.topic_name == "/rear/image_raw"]
    drive.helper.destroy_publisher(rear)
    wait_until(lambda: drive.node.image_topic.topic == "/camera")


def test_front_camera_is_taken_among_several(start_drive):
    def second(helper) -> None:
        helper.create_publisher(Image, "/vehicle/front/image_raw", 10)

    drive = start_drive(image_topic="auto", meet=False, before=second)
    wait_until(lambda: drive.node.image_topic.topic == "/vehicle/front/image_raw")


@pytest.mark.parametrize(
    ("transport", "topic", "make"),
    [("raw", "/camera", raw_message), ("compressed", "/camera/compressed", png_message)],
)
def test_transport_by_parameter_chooses_between_the_two_topics_of_a_camera(start_drive, transport, topic, make):
    def compressed_beside_raw(helper) -> None:
        helper.create_publisher(CompressedImage, "/camera/compressed", 10)

    drive = start_drive(image_topic="auto", image_transport=transport, meet=False, before=compressed_beside_raw)
    wait_until(lambda: drive.node.image_topic.topic == topic)
    (camera,) = [publisher for publisher in drive.cameras if publisher.topic_name == topic]
    wait_until(lambda: camera.get_subscription_count() > 0)
    listeners = [s for s in drive.node.subscriptions if s.topic_name == topic]
    wait_until(lambda: all(listener.get_publisher_count() for listener in listeners))
    camera.publish(make(picture(0), 1_000_000_000))
    wait_until(lambda: len(drive.odometry) == 1)
