/** Of a recorded run: the time line, with what happened on it; sought, and played at a speed. */

import { show } from "../events/events";
import { line, meaning, weight } from "../events/kinds";
import { button, el, fill, setAttribute, setText } from "../layout/dom";
import { elapsed, utc } from "../layout/format";
import { redrawOn } from "../layout/redraw";
import { say, sentence } from "../layout/said";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";

const SPEEDS = ["0.5", "1", "2", "5", "10", "30", "60", "300"];
/** Marks closer than this share of the line are one. */
const NEAR_RATIO = 0.004;
const MS_NS = 1_000_000;
/** While it is drawn: the server lets go of a page that asks more than 20 times a second. */
const BETWEEN_SEEKS_MS = 100;

export interface TimeLine {
  playOrStop: () => void;
  /** By so many steps of the run. */
  by: (steps: number) => void;
}

export function mountTimeLine(element: HTMLElement, mesh: Mesh, wire: Wire): TimeLine {
  const begin = () => Number(mesh.hello?.beginSimNs ?? 0n);
  const end = () => Math.max(begin() + 1, Number(mesh.hello?.endSimNs ?? 0n));
  const stepNs = () => Math.max(1e6, Number(mesh.hello?.stepNs ?? 1_000_000_000n));
  const isPlaying = () => (mesh.epoch?.speedRatio ?? 0) > 0;
  let wantedNs: number | null = null; // sought, and not answered yet
  let isAsking = false;

  const wrong = (error: unknown) => say(sentence(error), "wrong");
  const seek = (simNs: number) => {
    wantedNs = Math.min(end(), Math.max(begin(), simNs));
    redraw();
    if (!isAsking) void seekWanted();
  };
  // one at a time, and after it the newest that was asked for meanwhile
  const seekWanted = async () => {
    isAsking = true;
    try {
      for (let sought: number | null = null; wantedNs !== null && wantedNs !== sought; ) {
        sought = wantedNs;
        await wire.ask({ case: "seek", value: { simNs: BigInt(Math.round(sought)) } });
        await new Promise((done) => setTimeout(done, BETWEEN_SEEKS_MS));
      }
    } catch (error) {
      wrong(error);
    }
    wantedNs = null;
    isAsking = false;
    redraw();
  };
  const speed = el("select", { "aria-label": "Speed of playing", title: "How many times as fast as time it is played" }, ...SPEEDS.map((each) => el("option", { value: each }, `${each} ×`)));
  speed.value = "10";
  const playAt = (speedRatio: number) => wire.ask({ case: "play", value: { speedRatio } }).then(() => redraw(), wrong);
  const playOrStop = () => void playAt(isPlaying() ? 0 : Number(speed.value));
  speed.addEventListener("change", () => {
    if (isPlaying()) void playAt(Number(speed.value));
  });
  const play = button("Play", "Goes on from here, or stands still (key: space)", playOrStop);
  const slider = el("input", { type: "range", "aria-label": "Instant of the recorded run", min: 0, max: 1, step: 1 });
  slider.addEventListener("input", () => seek(Number(slider.value) * MS_NS));
  const marks = el("div", { class: "marks", "aria-hidden": "true" });
  const at = el("output", { class: "at" });
  const of = el("span", { class: "quiet" });
  const root = el("section", { class: "timeline", "aria-label": "Time line" }, play, speed, at, el("div", { class: "line" }, marks, slider), of);
  fill(element, [root]);

  const draw = () => {
    root.hidden = mesh.hello === null || mesh.hello.isLive;
    if (root.hidden) return;
    const now = wantedNs ?? Math.min(end(), mesh.simNowNs());
    setAttribute(slider, "min", String(Math.floor(begin() / MS_NS)));
    setAttribute(slider, "max", String(Math.ceil(end() / MS_NS)));
    setAttribute(slider, "step", String(Math.max(1, Math.round(stepNs() / MS_NS))));
    slider.value = String(Math.round(now / MS_NS));
    const text = elapsed(now, 1);
    setText(at, text);
    setAttribute(slider, "aria-valuetext", `${text} since the start, ${utc(mesh.hello?.startUnixNs ?? 0n, now)} UTC`);
    setText(of, `of ${elapsed(end())}`);
    setText(play, isPlaying() ? "Stop" : "Play");
    setAttribute(play, "aria-pressed", String(isPlaying()));
  };
  const drawMarks = () => {
    if (root.hidden) return;
    const length = end() - begin();
    const shown: { at: number; kind: string; event: (typeof mesh.events)[number] }[] = [];
    const last = new Map<string, number>();
    for (const event of mesh.events) {
      const ratio = (Number(event.simNs) - begin()) / length;
      const kind = event.kind === "intervention" ? "alarm" : weight(event.kind);
      if (ratio < 0 || ratio > 1 || ratio - (last.get(kind) ?? -1) < NEAR_RATIO) continue;
      last.set(kind, ratio);
      shown.push({ at: ratio, kind, event });
    }
    fill(
      marks,
      shown.map((each) => {
        const mark = el("span", { class: "mark", "data-weight": each.kind, title: `${elapsed(Number(each.event.simNs), 1)} ${line(each.event).join(": ")}. ${meaning(each.event.kind)}.`, click: () => void show(each.event, mesh, wire) });
        mark.style.left = `${100 * each.at}%`;
        return mark;
      }),
    );
  };
  const redraw = redrawOn(mesh, ["hello", "epoch", "connection"], draw, 50);
  redrawOn(mesh, ["hello", "events"], drawMarks, 1000);
  setInterval(() => {
    if (!root.hidden && isPlaying()) redraw();
  }, 200);
  return { playOrStop, by: (steps) => seek((wantedNs ?? mesh.simNowNs()) + steps * stepNs()) };
}
