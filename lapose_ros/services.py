"""The node's services: reset, set_pose, pause and resume. Each answers at once and says what it has done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from lapose.srv import SetPose
from std_srvs.srv import Trigger

from lapose_core.errors import LaposeError
from lapose_core.runtime.vehicle import covariance_from_numbers, pose_from_numbers

if TYPE_CHECKING:
    from lapose_ros.estimator import Estimator
    from lapose_ros.node import EgoMotionNode

#: Name -> (type, what it does, for the docs).
SERVICES: dict[str, tuple[type, str]] = {
    "reset": (Trigger, "start again from the initial pose with the next image; the path so far is forgotten"),
    "set_pose": (SetPose, "say where base_frame is in odom_frame at the next image, and how well that is known"),
    "pause": (Trigger, "leave images unseen, and keep model and pose, until resume"),
    "resume": (Trigger, "go on where the vehicle was last seen"),
}


class Services:
    """Offers the services for as long as the node lives; they do something while it is active."""

    def __init__(self, node: EgoMotionNode) -> None:
        self._node = node
        for name, (kind, _) in SERVICES.items():
            node.create_service(kind, f"~/{name}", partial(self._answer_if_active, getattr(self, f"_{name}")))

    def _answer_if_active(self, answer: Callable, request, response):
        estimator = self._node.estimator
        if estimator is None:
            return _answer(response, False, "the node is not active: activate it first")
        return answer(estimator, request, response)

    @staticmethod
    def _reset(estimator: Estimator, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        estimator.reset()
        return _answer(response, True, "the next image is at the initial pose")

    @staticmethod
    def _set_pose(estimator: Estimator, request: SetPose.Request, response: SetPose.Response) -> SetPose.Response:
        position, rotation = request.pose.pose.position, request.pose.pose.orientation
        try:
            pose = pose_from_numbers(
                np.array([position.x, position.y, position.z]),
                np.array([rotation.x, rotation.y, rotation.z, rotation.w]),
            )
            estimator.set_pose(pose, covariance_from_numbers(request.pose.covariance))
        except LaposeError as error:
            return _answer(response, False, str(error))
        return _answer(response, True, "the next image is at this pose")

    @staticmethod
    def _pause(estimator: Estimator, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        estimator.paused = True
        return _answer(response, True, "images are left unseen until resume")

    @staticmethod
    def _resume(estimator: Estimator, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        was_paused, estimator.paused = estimator.paused, False
        return _answer(response, True, "goes on" if was_paused else "was not paused")


def _answer(response, success: bool, message: str):
    response.success, response.message = success, message
    return response
