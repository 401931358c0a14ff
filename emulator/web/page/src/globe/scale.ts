/** Lengths in the scene: Earth's equatorial radius is one. */

export const EARTH_RADIUS_KM = 6378.137;
/** Of WGS84: the poles are nearer. */
export const FLATTENING = 1 / 298.257223563;
export const EARTH_RAD_PER_S = 7.292115e-5;

/** From degrees to the scene, Earth-fixed: x to 0° E on the equator, z to the north pole. */
export function ofDegrees(longitudeDeg: number, latitudeDeg: number, altitudeKm = 0): [number, number, number] {
  const longitude = (longitudeDeg * Math.PI) / 180;
  const latitude = (latitudeDeg * Math.PI) / 180;
  const e2 = FLATTENING * (2 - FLATTENING);
  const n = 1 / Math.sqrt(1 - e2 * Math.sin(latitude) ** 2);
  const up = altitudeKm / EARTH_RADIUS_KM;
  return [
    (n + up) * Math.cos(latitude) * Math.cos(longitude),
    (n + up) * Math.cos(latitude) * Math.sin(longitude),
    (n * (1 - e2) + up) * Math.sin(latitude),
  ];
}
