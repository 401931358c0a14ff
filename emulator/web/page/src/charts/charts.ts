/** Charts over the run's clock: measured against physical latency, the engine's lateness, throughput, loss. */

import { button, el, fill, setOptions, setText } from "../layout/dom";
import { digits, duration, elapsed, rate, utc } from "../layout/format";
import { panel } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import { weight } from "../events/kinds";
import { since as cutFrom, type History, type Track } from "../state/history";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import { notedSince } from "./noted";
import { plot, type Mark, type Plot } from "./plot";
import { timeShown } from "./time";

const SPANS: readonly (readonly [seconds: string, text: string])[] = [
  ["60", "last minute"],
  ["300", "last 5 minutes"],
  ["900", "last 15 minutes"],
  ["3600", "last hour"],
  ["0", "whole run"],
];

const inMs = (value: number) => `${digits(value)} ms`;
const inOwnUnit = (value: number) => duration(value * 1e6);
/** At an axis: no more digits than it needs. */
const plainMs = (value: number) => `${Number(value.toPrecision(3))} ms`;
const plainRate = (value: number) => rate(value).replace(/\.0+ /, " ");
const plainPerS = (value: number) => `${Number(value.toPrecision(3))}/s`;
const perS = (value: number) => `${digits(value)}/s`;

export function mountCharts(element: HTMLElement, mesh: Mesh, _wire: Wire, history: History): void {
  const box = panel("charts", "Charts");
  const gateway = el("select", { "aria-label": "Gateway whose latency is shown", title: "Gateway whose latency is shown" });
  const span = el("select", { "aria-label": "How far back", title: "How far back the charts go, by the run's clock" });
  setOptions(span, SPANS);
  span.value = "300";
  const latency = plot(
    el("span", {}, "Latency of ", gateway),
    [
      { name: "measured", help: "Median round trip of UDP probes between the gateway and the satellites that serve it", colour: "--line-1", show: inMs },
      { name: "physical", help: "Median of what light and sending need for the same round trips", colour: "--line-2", isDashed: true, show: inMs },
    ],
    plainMs,
    "Latency was not measured in this time.",
  );
  const lateness = plot(
    "Lateness of the emulator",
    [
      { name: "p99", help: "99 of 100 packets left the emulator later than they should by at most this", colour: "--line-1", show: inOwnUnit },
      { name: "median", help: "Half of the packets left the emulator later than they should by at most this", colour: "--line-2", isDashed: true, show: inOwnUnit },
    ],
    (value) => inOwnUnit(value).replace(/\.0+ /, " "),
    "Lateness was not measured in this time.",
  );
  const carried = plot(
    "Throughput of all links",
    [{ name: "carried", help: "Bits that all links together carried in a second, at emulated rates", colour: "--line-3", show: (value) => rate(value) }],
    plainRate,
    "Throughput was not measured in this time.",
  );
  const lost = plot(
    "Loss on all links",
    [{ name: "packets lost", help: "Packets that links lost in a second: full queues, failures, losses that were set", colour: "--line-4", show: perS }],
    plainPerS,
    "Loss was not measured in this time.",
  );
  const all: Plot[] = [latency, lateness, carried, lost];
  const instant = el("span", {});
  const pointed = el("p", { class: "pointed" }, instant, button("Back to now", "The charts follow the run again (key: Esc)", () => mesh.pointAt(null), "small"));
  const noted = el("p", { class: "quiet noted" });
  fill(box.body, [pointed, el("div", { class: "charts" }, ...all.map((each) => each.root)), noted]);
  const spanPlace = el("label", { class: "span-choice" }, el("span", { class: "quiet" }, "Time shown"), span);
  box.root.append(spanPlace);
  element.append(box.root);

  const draw = () => {
    const gateways = mesh.hello?.gateways ?? [];
    setOptions(gateway, gateways.map((each) => [String(each.node), each.name]));
    spanPlace.hidden = !box.isOpen();
    if (!box.isOpen()) return;
    const [fromS, toS] = timeShown(mesh, Number(span.value));
    const isRecord = mesh.hello?.isLive === false;
    const pointedS = mesh.instantNs === null ? null : mesh.instantNs / 1e9;
    const nowS = isRecord ? (mesh.epoch?.simNs ?? 0) / 1e9 : (pointedS ?? toS);
    const markedS = isRecord ? nowS : pointedS;
    pointed.hidden = isRecord || mesh.instantNs === null;
    if (mesh.instantNs !== null) {
      setText(instant, `Read at ${elapsed(mesh.instantNs, 1)} since the start, ${utc(mesh.hello?.startUnixNs ?? 0n, mesh.instantNs)} UTC.`);
    }
    const since = notedSince(history.sinceS, fromS);
    noted.hidden = since === "";
    setText(noted, since);
    const time = { fromS, toS, nowS, marks: marksOf(mesh, fromS, toS), markedS };
    const columns = (of: Track, both: boolean) => {
      const cut = cutFrom(of, fromS);
      return both ? [cut.s, cut.value, cut.beside] : [cut.s, cut.value];
    };
    latency.draw(columns(history.latencyOf(Number(gateway.value)), true), time);
    lateness.draw(columns(history.latenessMs, true), time);
    carried.draw(columns(history.carried, false), time);
    lost.draw(columns(history.lost, false), time);
  };
  // a record is there as a whole
  const wholeRecord = mesh.on("hello", () => {
    if (mesh.hello?.isLive === false) span.value = "0";
    wholeRecord();
  });
  const ask = redrawOn(mesh, ["hello", "status", "traffic", "series", "events", "instant", "epoch"], draw, 500);
  box.onOpen = ask;
  gateway.addEventListener("change", ask);
  span.addEventListener("change", ask);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const each of all) each.restyle();
    ask();
  });
}

const MOST_MARKS = 400;

function marksOf(mesh: Mesh, fromS: number, toS: number): Mark[] {
  const marks: Mark[] = [];
  for (let i = mesh.events.length - 1; i >= 0 && marks.length < MOST_MARKS; i--) {
    const event = mesh.events[i];
    const s = Number(event?.simNs ?? 0n) / 1e9;
    if (event === undefined || s < fromS || s > toS) continue;
    marks.push({ s, isLoud: weight(event.kind) === "alarm" || event.kind === "intervention" });
  }
  return marks;
}
