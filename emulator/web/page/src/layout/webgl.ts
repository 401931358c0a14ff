/** Whether this browser can draw the globe. */

export const NO_WEBGL = "This browser draws no WebGL 2, so there is no globe: the tables hold the same satellites, links and gateways.";

export function hasWebGl2(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}
