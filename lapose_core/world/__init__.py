"""The rendered world: scenes, vehicle motion, cameras and two renderers that draw the same picture."""
