/** The mesh as this page knows it: what the server has said last.  Nothing here draws, nothing here sends. */

import type {
  Event,
  Hello,
  Intervention,
  Layer,
  Series,
  Status,
  ToPage,
  Way,
} from "../wire/web_pb";
import { f32, u32 } from "../wire/columns";
import type { EpochState, Links, Picked, Satellites, Topic, TrafficState } from "./kinds";
import { FIRST_LOOK, type Look } from "./look";
import { Topics } from "./topics";

export type { EpochState, Links, Picked, Satellites, Topic, TrafficState } from "./kinds";

const MOST_EVENTS = 2000;

export class Mesh extends Topics<Topic> {
  connection: "connecting" | "open" | "lost" | "refused" = "connecting";
  /** Why, where the connection was refused or the run has ended. */
  reason = "";
  hasEnded = false;
  hello: Hello | null = null;
  satellites: Satellites | null = null;
  links: Links | null = null;
  epoch: EpochState | null = null;
  /** The one before, to move between. */
  before: EpochState | null = null;
  layer: Layer | null = null;
  traffic: TrafficState | null = null;
  /** By `pairKey`. */
  readonly ways = new Map<string, Way>();
  status: Status | null = null;
  /** By number, rising. */
  events: Event[] = [];
  series: Series[] = [];
  interventions: readonly Intervention[] = [];
  missedEntries = 0;
  picked: Picked = { kind: "nothing" };
  pair: readonly [number, number] | null = null;
  look: Look = FIRST_LOOK;
  /** Nodes that the viewer wants to see now; told by the topic each time, also for the same ones. */
  focus: readonly number[] = [];
  /** An instant that the viewer pointed at, as charts mark it; null: none. */
  instantNs: number | null = null;

  get nSatellites(): number {
    return this.hello?.satellites ?? 0;
  }

  isGateway(node: number): boolean {
    return node >= this.nSatellites;
  }

  name(node: number): string {
    if (this.isGateway(node)) {
      return this.hello?.gateways.find((each) => each.node === node)?.name ?? `node ${node}`;
    }
    const of = this.satellites;
    return of === null ? `node ${node}` : `sat-${of.plane[node]}-${of.slot[node]}`;
  }

  /** Of a satellite; empty where it is not known. */
  shellName(node: number): string {
    const shell = this.satellites?.shell[node];
    return shell === undefined ? "" : (this.hello?.shells[shell]?.name ?? "");
  }

  linkName(a: number, b: number): string {
    return `${this.name(a)}:${this.name(b)}`;
  }

  /** The emulated instant now: the clock goes on between epochs. */
  simNowNs(nowMs: number = performance.now()): number {
    const epoch = this.epoch;
    return epoch === null ? 0 : epoch.simNs + (nowMs - epoch.cameMs) * 1e6 * epoch.speedRatio;
  }

  pick(picked: Picked): void {
    this.picked = picked;
    this.tell("picked");
  }

  setPair(pair: readonly [number, number] | null): void {
    this.pair = pair;
    this.tell("pair");
  }

  /** What of it is given is looked at from now on. */
  setLook(change: Partial<Look>): void {
    this.look = { ...this.look, ...change };
    this.tell("look");
  }

  /** The globe turns to these nodes. */
  focusOn(nodes: readonly number[]): void {
    this.focus = nodes;
    this.tell("focus");
  }

  pointAt(simNs: number | null): void {
    this.instantNs = simNs;
    this.tell("instant");
  }

  connected(state: Mesh["connection"], reason = ""): void {
    this.connection = state;
    this.reason = reason;
    this.tell("connection");
  }

  /** Takes what the server says; answers to what was asked are the wire's own business. */
  take(message: ToPage, nowMs: number = performance.now()): void {
    const news = message.news;
    switch (news.case) {
      case "hello":
        if (this.hello !== null && this.hello.runId !== news.value.runId) this.forget();
        this.hello = news.value;
        this.hasEnded = false;
        this.series = [];
        this.tell("hello");
        break;
      case "nodes":
        this.takeNodes(news.value);
        this.tell("nodes");
        break;
      case "links":
        this.links = {
          number: news.value.linksNumber,
          a: u32(news.value.aNodeU32le),
          b: u32(news.value.bNodeU32le),
          kind: news.value.kindU8,
          allLasers: news.value.allLasers,
          allGroundLinks: news.value.allGroundLinks,
        };
        this.tell("links");
        break;
      case "epoch": {
        const of = news.value;
        this.before = this.epoch;
        this.epoch = {
          number: of.epochNumber,
          simNs: Number(of.simNs),
          cameMs: nowMs,
          speedRatio: of.speedRatio,
          positionKm: f32(of.positionItrsKmF32le),
          sun: [of.sunItrs[0] ?? 1, of.sunItrs[1] ?? 0, of.sunItrs[2] ?? 0],
          earthRotationRad: of.earthRotationRad,
          linksNumber: of.linksNumber,
          linkDelayNs: f32(of.linkDelayNsF32le),
          linkRateAbBps: f32(of.linkRateAbBpsF32le),
          linkRateBaBps: f32(of.linkRateBaBpsF32le),
          linkIsUp: of.linkIsUpU8,
          changedLinkRows: of.changedLinkRow,
          failedNodes: new Set(of.failedNode),
        };
        this.tell("epoch");
        break;
      }
      case "layer":
        this.layer = news.value;
        this.tell("layer");
        break;
      case "traffic":
        this.traffic = {
          simNs: Number(news.value.simNs),
          linksNumber: news.value.linksNumber,
          useAb: f32(news.value.useAbRatioF32le),
          useBa: f32(news.value.useBaRatioF32le),
          carriedBps: news.value.carriedBps,
          packetsPerS: news.value.packetsPerS,
          lostPerS: news.value.lostPerS,
        };
        this.tell("traffic");
        break;
      case "way":
        this.ways.set(pairKey(news.value.sourceNode, news.value.destinationNode), news.value);
        this.tell("ways");
        break;
      case "status":
        this.status = news.value;
        this.tell("status");
        break;
      case "event":
        this.takeEvent(news.value);
        break;
      case "series":
        this.series.push(news.value);
        this.tell("series");
        break;
      case "interventions":
        this.interventions = news.value.interventions;
        this.tell("interventions");
        break;
      case "missed":
        this.missedEntries += Number(news.value.entries);
        this.tell("missed");
        break;
      case "ended":
        this.reason = news.value.reason;
        this.hasEnded = true;
        this.tell("ended");
        break;
      case "answer":
      case undefined:
        break;
    }
  }

  /** The server shows another run than before: nothing of the old one holds. */
  private forget(): void {
    this.satellites = this.links = this.epoch = this.before = this.layer = this.traffic = this.status = null;
    this.ways.clear();
    this.events = [];
    this.interventions = [];
    this.missedEntries = 0;
    this.instantNs = null;
    this.reason = "";
    this.look = FIRST_LOOK;
    this.pick({ kind: "nothing" });
    this.setPair(null);
    this.tell("events");
  }

  private takeNodes(of: Extract<ToPage["news"], { case: "nodes" }>["value"]): void {
    const n = this.nSatellites;
    let all = this.satellites;
    if (of.firstNode === 0 || all === null) {
      all = { shell: new Uint32Array(n), plane: new Uint32Array(n), slot: new Uint32Array(n), knownAs: new Map() };
      this.satellites = all;
    }
    all.shell.set(u32(of.shellU32le), of.firstNode);
    all.plane.set(u32(of.planeU32le), of.firstNode);
    all.slot.set(u32(of.slotU32le), of.firstNode);
    of.knownNode.forEach((node, i) => all.knownAs.set(node, of.knownAs[i] ?? ""));
  }

  private takeEvent(event: Event): void {
    const newest = this.events.at(-1);
    if (newest !== undefined && event.number <= newest.number) return; // told again
    this.events.push(event);
    if (this.events.length > MOST_EVENTS) this.events.splice(0, this.events.length - MOST_EVENTS);
    this.tell("events");
  }
}

export function pairKey(source: number, destination: number): string {
  return `${source}>${destination}`;
}
