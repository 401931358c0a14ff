/** What was measured over time, by the emulated clock: before the page was opened (Series), and since (Status, Traffic). */

import { f32, f64 } from "../wire/columns";
import { SeriesKind, type Series } from "../wire/web_pb";
import type { Mesh } from "./mesh";

/** Rising instants; NaN: not measured. */
export interface Track {
  s: number[];
  value: number[];
  beside: number[];
}

const MOST_POINTS = 7200;
/** So many gaps before and after one tell how long is usual there: points of long ago stand further apart. */
const AROUND = 2;
/** Two tellings of one instant: the newer one counts. */
const SAME_S = 0.2;

export function track(): Track {
  return { s: [], value: [], beside: [] };
}

/** Keeps the instants rising, whenever it is told. */
export function add(to: Track, s: number, value: number, beside: number): void {
  let at = to.s.length;
  while (at > 0 && (to.s[at - 1] ?? 0) > s + SAME_S) at--;
  const isSame = at > 0 && Math.abs((to.s[at - 1] ?? -Infinity) - s) <= SAME_S;
  const [start, gone] = isSame ? [at - 1, 1] : [at, 0];
  to.s.splice(start, gone, s);
  to.value.splice(start, gone, value);
  to.beside.splice(start, gone, beside);
}

/** Of the older half every second point, once there are too many: the beginning stays. */
export function thin(of: Track, most = MOST_POINTS): void {
  if (of.s.length <= most) return;
  const half = of.s.length >> 1;
  for (const column of [of.s, of.value, of.beside]) {
    column.splice(0, half, ...column.slice(0, half).filter((_, i) => i % 2 === 0));
  }
}

/** From `fromS` on, with a break (NaN) wherever nothing was told for much longer than usual. */
export function since(of: Track, fromS: number): Track {
  const cutOut = track();
  let first = of.s.findIndex((s) => s >= fromS);
  if (first < 0) return cutOut;
  first = Math.max(0, first - 1); // the line comes from outside
  const gaps: number[] = []; // before each point
  for (let i = first; i < of.s.length; i++) gaps.push(i === 0 ? 0 : (of.s[i] ?? 0) - (of.s[i - 1] ?? 0));
  const usualAt = (gap: number) => {
    const near = gaps.slice(Math.max(1, gap - AROUND), gap + AROUND + 1).sort((a, b) => a - b);
    return near[(near.length - 1) >> 1] ?? 1;
  };
  for (let i = first; i < of.s.length; i++) {
    const s = of.s[i] ?? 0;
    const last = cutOut.s.at(-1);
    const usual = usualAt(i - first);
    if (last !== undefined && s - last > 4 * Math.max(usual, 1)) {
      cutOut.s.push(last + usual);
      cutOut.value.push(NaN);
      cutOut.beside.push(NaN);
    }
    cutOut.s.push(s);
    cutOut.value.push(of.value[i] ?? NaN);
    cutOut.beside.push(of.beside[i] ?? NaN);
  }
  return cutOut;
}

const inMs = (ns: number | bigint | undefined) => (ns === undefined ? NaN : Number(ns) / 1e6);

export class History {
  /** Of gateways: measured by UDP probes, beside physical, in ms. */
  readonly latencyMs = new Map<number, Track>();
  /** p99 beside p50. */
  latenessMs = track();
  /** bit/s beside packets/s. */
  carried = track();
  /** Packets lost per second. */
  lost = track();
  /** By kind: from when on it was noted, s; what was noted since the run began is not in it. */
  readonly sinceS = new Map<SeriesKind, number>();
  private taken = 0;

  constructor(private readonly mesh: Mesh) {
    mesh.on("hello", () => this.clear());
    mesh.on("series", () => this.takeSeries());
    mesh.on("status", () => this.takeStatus());
    mesh.on("traffic", () => this.takeTraffic());
  }

  latencyOf(gateway: number): Track {
    const there = this.latencyMs.get(gateway) ?? track();
    this.latencyMs.set(gateway, there);
    return there;
  }

  private clear(): void {
    this.latencyMs.clear();
    this.latenessMs = track();
    this.carried = track();
    this.lost = track();
    this.sinceS.clear();
    this.taken = 0;
  }

  private takeSeries(): void {
    for (const each of this.mesh.series.slice(this.taken)) {
      const to = this.trackOf(each);
      if (to === null) continue;
      if (each.sinceSimNs !== undefined) this.sinceS.set(each.kind, Number(each.sinceSimNs) / 1e9);
      const [s, value, beside] = [f64(each.simSF64le), f32(each.valueF32le), f32(each.besideF32le)];
      const began = to.s.length === 0;
      s.forEach((at, i) => {
        if (!began) return add(to, at, value[i] ?? NaN, beside[i] ?? NaN);
        to.s.push(at);
        to.value.push(value[i] ?? NaN);
        to.beside.push(beside[i] ?? NaN);
      });
    }
    this.taken = this.mesh.series.length;
  }

  private trackOf(series: Series): Track | null {
    switch (series.kind) {
      case SeriesKind.LATENCY:
        return this.latencyOf(series.gatewayNode);
      case SeriesKind.LATENESS:
        return this.latenessMs;
      case SeriesKind.THROUGHPUT:
        return this.carried;
      case SeriesKind.LOSS:
        return this.lost;
      default:
        return null;
    }
  }

  /** Of a record the series are whole: what is told at a sought instant adds nothing. */
  private get isTold(): boolean {
    return this.mesh.hello?.isLive !== true;
  }

  private takeStatus(): void {
    const status = this.mesh.status;
    if (status === null || this.isTold) return;
    const s = Number(status.simNs) / 1e9;
    add(this.latenessMs, s, inMs(status.engineLatenessP99Ns), inMs(status.engineLatenessP50Ns));
    thin(this.latenessMs);
    for (const gateway of status.gateways) {
      const to = this.latencyOf(gateway.gatewayNode);
      add(to, s, inMs(gateway.udpP50Ns ?? gateway.grpcP50Ns), inMs(gateway.physicalP50Ns));
      thin(to);
    }
  }

  private takeTraffic(): void {
    const traffic = this.mesh.traffic;
    if (traffic === null || this.isTold) return;
    const s = traffic.simNs / 1e9;
    add(this.carried, s, traffic.carriedBps, traffic.packetsPerS);
    thin(this.carried);
    add(this.lost, s, traffic.lostPerS, NaN);
    thin(this.lost);
  }
}
