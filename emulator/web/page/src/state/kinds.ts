/** What the state is made of, and what of it can change. */

/** Of satellites, by number. */
export interface Satellites {
  shell: Uint32Array;
  plane: Uint32Array;
  slot: Uint32Array;
  knownAs: Map<number, string>;
}

/** A link a row. */
export interface Links {
  number: bigint;
  a: Uint32Array;
  b: Uint32Array;
  /** 1: laser, 2: ground. */
  kind: Uint8Array;
  allLasers: number;
  allGroundLinks: number;
}

/** Where all is at an instant, and what its links are; link columns follow the rows of `Links` of that number. */
export interface EpochState {
  number: bigint;
  simNs: number;
  /** When it came here, by performance.now(). */
  cameMs: number;
  speedRatio: number;
  positionKm: Float32Array;
  sun: readonly [number, number, number];
  earthRotationRad: number;
  linksNumber: bigint;
  linkDelayNs: Float32Array;
  linkRateAbBps: Float32Array;
  linkRateBaBps: Float32Array;
  linkIsUp: Uint8Array;
  changedLinkRows: readonly number[];
  failedNodes: ReadonlySet<number>;
}

export interface TrafficState {
  simNs: number;
  linksNumber: bigint;
  useAb: Float32Array;
  useBa: Float32Array;
  carriedBps: number;
  packetsPerS: number;
  lostPerS: number;
}

/** What the viewer has picked; a pair is two nodes whose way is drawn. */
export type Picked =
  | { kind: "nothing" }
  | { kind: "node"; node: number }
  | { kind: "link"; a: number; b: number };

export type Topic =
  | "connection"
  | "hello"
  | "nodes"
  | "links"
  | "epoch"
  | "layer"
  | "traffic"
  | "ways"
  | "status"
  | "events"
  | "series"
  | "interventions"
  | "picked"
  | "pair"
  | "look"
  | "focus"
  | "instant"
  | "missed"
  | "ended";
