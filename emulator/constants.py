"""Constants of nature, of the Earth and of units, each with its unit and source.  Nowhere else."""

SPEED_OF_LIGHT_KM_PER_S = 299_792.458  # exact: the definition of the metre, SI
EARTH_RADIUS_KM = 6378.137  # equatorial, WGS84 (NIMA TR8350.2)
EARTH_MEAN_RADIUS_KM = 6371.0088  # (2 a + b) / 3 of WGS84: IUGG (Moritz 2000)
PLANCK_J_S = 6.626_070_15e-34  # exact: SI
EARTH_ALBEDO_RATIO = 0.29  # of sunlight, the mean of the whole Earth: CERES EBAF Ed. 4 (Loeb et al. 2018)
EARTH_INFRARED_W_PER_M2 = 240.0  # at the top of the air, the mean of the whole Earth: the same
AU_KM = 149_597_870.7  # exact: IAU 2012
SUN_RADIUS_KM = 695_700.0  # nominal: IAU 2015 resolution B3
SOLAR_CONSTANT_W_PER_M2 = 1361.0  # at 1 au, nominal: the same
STEFAN_BOLTZMANN_W_PER_M2_K4 = 5.670_374_419e-8  # CODATA 2018
NS_PER_S = 1_000_000_000
