"""The online system: the odometer (image in, motion out) and the backends that run its model."""
