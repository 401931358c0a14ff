"""Constants of nature and of the Earth, each with its unit and source.  Nowhere else."""

SPEED_OF_LIGHT_KM_PER_S = 299_792.458  # exact: the definition of the metre, SI
EARTH_RADIUS_KM = 6378.137  # equatorial, WGS84 (NIMA TR8350.2)
PLANCK_J_S = 6.626_070_15e-34  # exact: SI
