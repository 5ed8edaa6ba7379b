"""Finding the front camera among the topics of real vehicles."""

from __future__ import annotations

import pytest

from lapose_core.data.camera_topics import camera_info_topic, carries_rectified_images, choose_camera_topic
from lapose_core.errors import LaposeError

ZED = [
    "/zed/zed_node/left/image_rect_color",
    "/zed/zed_node/depth/depth_registered",
    "/zed/zed_node/disparity/disparity_image",
    "/zed/zed_node/confidence/confidence_map",
]
NUSCENES = [f"/CAM_{side}/image_rect_compressed" for side in ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "BACK")]


@pytest.mark.parametrize(
    ("topics", "chosen"),
    [
        (["/image_raw"], "/image_raw"),
        (["/image_raw", "/image_raw/compressed"], "/image_raw"),
        (["/camera/image_raw/compressed"], "/camera/image_raw/compressed"),
        (["/camera/image_raw", "/camera/image_rect", "/camera/image_rect_color"], "/camera/image_rect_color"),
        (["/camera/front/image", "/camera/rear/image"], "/camera/front/image"),
        (["/d435/color/image_raw", "/d435/depth/image_raw", "/d435/infra1/image_raw"], "/d435/color/image_raw"),
        (ZED, ZED[0]),
        (["/camera/image_raw", "/detector/debug_image", "/detector/annotated"], "/camera/image_raw"),
    ],
)  # fmt: skip
def test_one_camera_or_one_front_camera_is_found(topics: list[str], chosen: str) -> None:
    assert choose_camera_topic(topics) == chosen


def test_several_cameras_are_named() -> None:
    with pytest.raises(LaposeError, match=r"several cameras.*/left/image_raw, /right/image_raw"):
        choose_camera_topic(["/left/image_raw", "/right/image_raw", "/right/image_raw/compressed"])
    with pytest.raises(LaposeError, match="several cameras"):
        choose_camera_topic(NUSCENES)


def test_a_node_in_the_namespace_of_one_camera_takes_that_one() -> None:
    topics = ["/left/camera/image_raw", "/right/camera/image_raw"]

    assert choose_camera_topic(topics, "/right") == topics[1]
    assert choose_camera_topic(topics[:1], "/right") == topics[0]
    with pytest.raises(LaposeError):
        choose_camera_topic(topics, "/")


def test_no_camera_is_said_with_what_there_is() -> None:
    with pytest.raises(LaposeError, match="no camera to choose: start one"):
        choose_camera_topic([])
    with pytest.raises(LaposeError, match="/stereo/depth/image"):
        choose_camera_topic(["/stereo/depth/image"])


@pytest.mark.parametrize(
    ("images", "info"),
    [
        ("/camera/front/image", "/camera/front/camera_info"),
        ("/camera/image_raw/compressed", "/camera/camera_info"),
        ("/image", "/camera_info"),
    ],
)
def test_camera_info_lies_beside_the_images(images: str, info: str) -> None:
    assert camera_info_topic(images) == info


def test_rectified_images_are_known_by_their_names() -> None:
    assert carries_rectified_images("/camera/image_rect_color/compressed")
    assert carries_rectified_images("/camera/image_rect")
    assert not carries_rectified_images("/direct/image_raw")
