/** What the viewer chose to see: what is coloured by what, and against what the Earth turns. */

import { LayerKind } from "../wire/web_pb";

/** "shell" and "faults" the page knows by itself; the others are a Layer that the server is asked for by Show. */
export type SatellitesBy =
  | "shell"
  | "faults"
  | "sunlight"
  | "temperature"
  | "battery"
  | "load"
  | "capacity"
  | "latency";

/** "use": of the rate, what was carried in the last second; "rate": the physical rate; "none": lasers are not drawn. */
export type LasersBy = "use" | "rate" | "none";

/** "earth": land stands still; "stars": the Earth turns under orbits that stand still. */
export type Frame = "earth" | "stars";

export interface Look {
  satellitesBy: SatellitesBy;
  /** Whose latency it is, where satellites are coloured by "latency". */
  gatewayNode: number | null;
  lasersBy: LasersBy;
  frame: Frame;
}

export const FIRST_LOOK: Look = { satellitesBy: "shell", gatewayNode: null, lasersBy: "use", frame: "earth" };

/** The Layer that shows it; null where none is needed. */
export const LAYER_OF: Readonly<Record<SatellitesBy, LayerKind | null>> = {
  shell: null,
  faults: null,
  sunlight: LayerKind.SUNLIGHT,
  temperature: LayerKind.TEMPERATURE,
  battery: LayerKind.BATTERY,
  load: LayerKind.LOAD,
  capacity: LayerKind.CAPACITY,
  latency: LayerKind.LATENCY,
};
