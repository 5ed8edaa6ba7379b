"""Which of the image topics in a ROS graph or bag is the front camera."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lapose_core.errors import LaposeError

RAW_IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE_TYPE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (RAW_IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"

#: Words in topics that carry pictures which no camera took for the eye.
_NO_CAMERA = (
    "depth", "disparity", "confidence", "infra", "mask", "label", "segmentation", "semantic", "debug", "annotated",
    "detection", "feature", "overlay", "costmap",
)  # fmt: skip
_FRONT = ("front", "forward")
#: Of the topics of one camera, the first of these last words; a colour image comes before all of them that are grey.
_BEST_FIRST = ("image_rect_color", "image_rect", "image_color", "image_raw", "image", "image_mono", "image_rect_mono")


def choose_camera_topic(topics: Iterable[str], namespace: str = "/") -> str:
    """The one camera, or the one with "front" in its name; of its topics the best, raw before compressed.

    Args:
        topics: full names of topics with images.
        namespace: topics below it come before all others, so that each camera's namespace can have a node.

    Raises LaposeError, naming the candidates, where there is none or it is not clear.
    """
    topics = sorted(topics)
    cameras = _by_camera(topic for topic in topics if not any(word in topic.lower() for word in _NO_CAMERA))
    inside = {
        camera: found for camera, found in cameras.items() if f"{camera}/".startswith(namespace.rstrip("/") + "/")
    }
    cameras = inside or cameras
    fronts = {camera: found for camera, found in cameras.items() if any(word in camera.lower() for word in _FRONT)}
    chosen = fronts if len(fronts) == 1 else cameras
    if len(chosen) == 1:
        (found,) = chosen.values()
        return min(found, key=_rank)
    if not chosen:
        others = f" (no camera's, by their names: {', '.join(topics)})" if topics else ""
        raise LaposeError(f"there is no camera to choose{others}: start one, or set image_topic")
    candidates = ", ".join(min(found, key=_rank) for found in chosen.values())
    raise LaposeError(f"there are several cameras: set image_topic to one of {candidates}")


def camera_info_topic(image_topic: str, info_topics: Collection[str] | None = None) -> str:
    """The `camera_info` beside the images, by the convention of image_transport.

    Args:
        info_topics: those that there are: the nearest above the images is taken, if there is one.
    """
    levels = image_topic.removesuffix("/compressed").split("/")
    siblings = ["/".join([*levels[:depth], "camera_info"]) for depth in range(len(levels) - 1, 0, -1)]
    return next((sibling for sibling in siblings if sibling in (info_topics or ())), siblings[0])


def carries_rectified_images(image_topic: str) -> bool:
    """Whether a topic's name says that its images are rectified, as image_proc names them."""
    return any("rect" in level.split("_") for level in image_topic.split("/"))


def _by_camera(topics: Iterable[str]) -> dict[str, list[str]]:
    """Topics by the namespace of their camera."""
    cameras: dict[str, list[str]] = {}
    for topic in topics:
        camera = topic.removesuffix("/compressed").rpartition("/")[0]
        cameras.setdefault(camera, []).append(topic)
    # /camera/color and /camera stay two cameras; /image_raw beside nothing has the namespace "".
    return cameras


def _rank(topic: str) -> tuple[int, bool]:
    name = topic.removesuffix("/compressed").rpartition("/")[2]
    known = _BEST_FIRST.index(name) if name in _BEST_FIRST else len(_BEST_FIRST)
    return known, topic.endswith("/compressed")
