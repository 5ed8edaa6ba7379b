"""Columns of the flat float32 tables that describe clips to the renderers.

Lengths in metres, world axes x and y on the ground and z up; colours 0 to 1. A row is a run of `*_STRIDE` numbers.
"""

# Camera of a frame: rotation world <- camera (optical axes) row by row, position, focal length in image widths, boxes,
# principal point from the picture's middle in image widths, boxes that cast shadows (in the table after those that are
# seen), a random place in the texture of white noise, which drops are on the windscreen, the lens' distortion at
# unit focal length (`lens.straightening`; 0 for a pinhole), and how far the camera goes (in the world's axes) and turns
# (a rotation vector in its own) while a picture is read out; 0 where all rows are exposed at once.
CAMERA_STRIDE = 27
ROTATION = 0
POSITION = 9
FOCAL = 12
BOX_COUNT = 13
PRINCIPAL_X, PRINCIPAL_Y = 14, 15
SHADOW_COUNT, NOISE_U, NOISE_V, DROPS_SEED, DISTORTION = 16, 17, 18, 19, 20
SHIFT = 21
TURN = 24

# Street arc: start, heading there, curvature (left positive), length, end and heading there. `ALONG` is the street's
# own coordinate at the start; an open end runs on straight for ever.
ARC_STRIDE = 16
START_X, START_Y, START_COS, START_SIN = 0, 1, 2, 3
CURVATURE, LENGTH = 4, 5
END_X, END_Y, END_COS, END_SIN = 6, 7, 8, 9
ALONG, HALF_WIDTH, IS_CROSSING, OPEN_START, OPEN_END = 10, 11, 12, 13, 14

# Box: centre, heading, half sizes, kind, seed (0 to 1), colour, two numbers whose meaning depends on the kind, how
# brightly it glows where lamps are lit, and the centre and heading in the next frame (the same unless it drives).
# On a slope the box is sheared: how much it rises per metre of its length and of its width, now and in the next frame,
# and by how much its centre is higher then.
BOX_STRIDE = 25
CENTRE_X, CENTRE_Y, CENTRE_Z, BOX_COS, BOX_SIN = 0, 1, 2, 3, 4
HALF_X, HALF_Y, HALF_Z, KIND, SEED = 5, 6, 7, 8, 9
RED, GREEN, BLUE, DETAIL_A, DETAIL_B, BOX_GLOW = 10, 11, 12, 13, 14, 15
NEXT_X, NEXT_Y, NEXT_COS, NEXT_SIN = 16, 17, 18, 19
SHEAR_X, SHEAR_Y, NEXT_RISE, NEXT_SHEAR_X, NEXT_SHEAR_Y = 20, 21, 22, 23, 24

# Kinds of box. Building: details are storey height and window pitch, metres (0: no windows).
# Plain: texture layer and contrast. Crown, the ellipsoid within the box: contrast and raggedness of its outline; one
# that is not ragged is a bank of grass.
BUILDING, CAR_BODY, CAR_CABIN, PLAIN, CROWN = 0, 1, 2, 3, 4

# Look of a scene.
LOOK_STRIDE = 108
ARC_COUNT = 0
LANES, LANE_WIDTH, PARKING_WIDTH = 1, 2, 3
LANE_PAINT, EDGE_PAINT, CENTRE_PAINT, DASH_PERIOD, DASH_LENGTH, LINE_HALF_WIDTH, WEAR = 4, 5, 6, 7, 8, 9, 10
ZEBRA_A, ZEBRA_B, CROSSING_ZEBRA, CROSSING_SETBACK = 11, 12, 13, 14
PAINT_RED, PAINT_GREEN, PAINT_BLUE = 15, 16, 17
ROAD_RED, ROAD_GREEN, ROAD_BLUE, ROAD_LAYER, ROAD_CONTRAST, PATCHES = 18, 19, 20, 21, 22, 23
PAVEMENT_RED, PAVEMENT_GREEN, PAVEMENT_BLUE, PAVEMENT_WIDTH, KERB = 24, 25, 26, 27, 28
VERGE_RED, VERGE_GREEN, VERGE_BLUE, VERGE_LAYER, VERGE_CONTRAST = 29, 30, 31, 32, 33
TEXEL, TEXTURE_COS, TEXTURE_SIN, STAIN_CONTRAST = 34, 35, 36, 37
SHADOW, SHADOW_LEVEL, SHADOW_SCALE, SHADOW_STRETCH = 38, 39, 40, 41
SUN_X, SUN_Y, SUN_Z, SUN, AMBIENT = 42, 43, 44, 45, 46
FOG, FOG_RED, FOG_GREEN, FOG_BLUE = 47, 48, 49, 50
ZENITH_RED, ZENITH_GREEN, ZENITH_BLUE, CLOUDS, CLOUD_LEVEL, GLOW = 51, 52, 53, 54, 55, 56
SKYLINE, SKYLINE_BASE, SKYLINE_AMPLITUDE, SKYLINE_SCALE, SKYLINE_STEPS = 57, 58, 59, 60, 61
SKYLINE_RED, SKYLINE_GREEN, SKYLINE_BLUE, SKYLINE_CONTRAST = 62, 63, 64, 65
GAIN, OFFSET, SATURATION, BOX_CONTRAST = 66, 67, 68, 69
SEED_U, SEED_V = 70, 71
LOG2_TEXEL, LOG2_SHADOW_SCALE = 72, 73
# Own bonnet: below y = top + curve * x^2, in the picture at unit focal length.
BONNET_TOP, BONNET_CURVE, BONNET_RED, BONNET_GREEN, BONNET_BLUE = 74, 75, 76, 77, 78
# Middle of a motorway's other carriageway, metres to the left of ours; 0 where there is none.
OTHER_ROAD = 79
# Weather and time of day. Shadows that boxes cast; brightness of clouds; the own headlights and other lamps; how much
# the wet road mirrors; falling rain and drops on the windscreen; noise of the sensor; glare about the sun.
CAST, CLOUD_TONE, HEADLIGHT, LAMPS, WET, STREAKS, STREAK_SLANT, DROPS, DROP_SIZE, NOISE, GLARE = range(80, 91)
# Hatched shoulder: on our left (1) or right (-1); 0 for none.
HATCHED = 91
# Along the road: how far its texture and the pavement's slabs are drawn out, length of its patches, wheel tracks and
# their half width, seams between lanes, dirt at the kerb.
ROAD_STRETCH, SLAB_STRETCH, PATCH_LENGTH, TRACKS, TRACK_WIDTH, SEAM, GUTTER = range(92, 99)
# Slopes (`relief`): middle and direction of the vertical curve, grade at its middle along x and y, curvature (positive
# in a sag), half its length; 0 where the ground is flat.
HILL_X, HILL_Y, HILL_COS, HILL_SIN, GRADE_X, GRADE_Y, HILL_CURVATURE, HILL_HALF = range(99, 107)

# Texture atlas: square layers of `ATLAS_SIZE` texels with all their mip levels, one after the other.
ATLAS_SIZE = 512
ATLAS_BITS = 9
LAYER_STRIDE = (4 * ATLAS_SIZE * ATLAS_SIZE - 1) // 3
ASPHALT, GRAVEL, GRASS, FOLIAGE, MASONRY, PAVING, FRACTAL, WHITE = 0, 1, 2, 3, 4, 5, 6, 7
LAYERS = 8

NOTHING = 1.0e6  # depth of a ray that meets nothing
FAR = 4000.0  # ground beyond is the horizon's
NEAR = 0.05  # nothing is drawn nearer to the camera
