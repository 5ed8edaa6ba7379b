"""A camera that reads its rows one after the other while it moves. Written in `ops`.

`share` is how much of the readout lies between the picture's middle row, whose pose is the frame's, and a row: -0.5 to
0.5. The camera goes on as it does at that time, to first order in how far it turns.
"""

# ruff: noqa: F403, F405
from lapose_core.world.lens import bending
from lapose_core.world.ops import load, maximum, minimum, sqrt, to_single
from lapose_core.world.tables import *


def in_camera(cameras, camera, x, y, z):
    """World direction in the camera's axes."""
    right = load(cameras, camera) * x + load(cameras, camera + 3) * y + load(cameras, camera + 6) * z
    down = load(cameras, camera + 1) * x + load(cameras, camera + 4) * y + load(cameras, camera + 7) * z
    ahead = load(cameras, camera + 2) * x + load(cameras, camera + 5) * y + load(cameras, camera + 8) * z
    return right, down, ahead


def row_shift(cameras, camera, share):
    """Where the row's camera is, from the frame's, in the world's axes."""
    shift_x = to_single(share * load(cameras, camera + SHIFT))
    shift_y = to_single(share * load(cameras, camera + SHIFT + 1))
    shift_z = to_single(share * load(cameras, camera + SHIFT + 2))
    return shift_x, shift_y, shift_z


def row_slack(cameras, camera):
    """How far the first and the last row's camera is from the frame's, metres, and by what angle it has turned."""
    row = camera + SHIFT
    shift_x, shift_y, shift_z = load(cameras, row), load(cameras, row + 1), load(cameras, row + 2)
    row = camera + TURN
    turn_x, turn_y, turn_z = load(cameras, row), load(cameras, row + 1), load(cameras, row + 2)
    shift = 0.5 * sqrt(shift_x * shift_x + shift_y * shift_y + shift_z * shift_z)
    return shift, 0.5 * sqrt(turn_x * turn_x + turn_y * turn_y + turn_z * turn_z)


def turned(cameras, camera, share, x, y, z):
    """By how much a direction in the row's axes differs in those of the frame."""
    turn_x = share * load(cameras, camera + TURN)
    turn_y = share * load(cameras, camera + TURN + 1)
    turn_z = share * load(cameras, camera + TURN + 2)
    return turn_y * z - turn_z * y, turn_z * x - turn_x * z, turn_x * y - turn_y * x


def row_ray(cameras, camera, share, x, y):
    """World origin and direction, of depth 1, of the ray through a pinhole's place (x, y) at unit focal length."""
    off_x, off_y, off_z = turned(cameras, camera, share, x, y, 1.0)
    x = x + off_x
    y = y + off_y
    z = 1.0 + off_z
    dx = load(cameras, camera) * x + load(cameras, camera + 1) * y + load(cameras, camera + 2) * z
    dy = load(cameras, camera + 3) * x + load(cameras, camera + 4) * y + load(cameras, camera + 5) * z
    dz = load(cameras, camera + 6) * x + load(cameras, camera + 7) * y + load(cameras, camera + 8) * z
    shift_x, shift_y, shift_z = row_shift(cameras, camera, share)
    ox = load(cameras, camera + POSITION) + shift_x
    oy = load(cameras, camera + POSITION + 1) + shift_y
    oz = load(cameras, camera + POSITION + 2) + shift_z
    return ox, oy, oz, dx, dy, dz


def in_row(cameras, camera, share, x, y, z):
    """World direction in the row's axes."""
    right, down, ahead = in_camera(cameras, camera, x, y, z)
    # The inverse of what `row_ray` does, but for the cube of the angle.
    off_x, off_y, off_z = turned(cameras, camera, share, right, down, ahead)
    off_x, off_y, off_z = turned(cameras, camera, share, right - off_x, down - off_y, ahead - off_z)
    return right - off_x, down - off_y, ahead - off_z


def picture_place(distortion, focal, centre_x, centre_y, right, down, deep):
    """Pixels at which the lens draws a place `deep` ahead of the camera."""
    bent = bending(distortion, right / deep, down / deep)
    return focal * bent * right / deep + centre_x, focal * bent * down / deep + centre_y


def share_of_sight(cameras, camera, x, y, z, near, focal, centre_x, centre_y, height):
    """The `share` of the row that sees a place, from the frame's camera (`near` 1), or a direction (`near` 0)."""
    share = 0.0 * x
    # During the readout things move by a small part of the picture: each step leaves a tenth of the error, or less.
    for _ in range(4):
        shift_x, shift_y, shift_z = row_shift(cameras, camera, near * share)
        right, down, ahead = in_row(cameras, camera, share, x - shift_x, y - shift_y, z - shift_z)
        deep = maximum(ahead, 0.01)
        distortion = load(cameras, camera + DISTORTION)
        _, row = picture_place(distortion, focal, centre_x, centre_y, right, down, deep)
        share = minimum(maximum(row / height - 0.5, -0.5), 0.5)
    return share
