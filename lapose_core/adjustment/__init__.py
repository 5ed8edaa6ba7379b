"""A window's motions fitted to its matches: the pose head is the prior, epipolar geometry the measurement."""
