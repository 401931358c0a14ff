/** The top of the page: which run, its clock, what speaks against its figures, and whether the page still hears it. */

import type { Mesh } from "../state/mesh";
import { button, el, fill, setText, sync } from "./dom";
import { asSentence, count, duration, elapsed, many, times, utc } from "./format";
import { redrawOn } from "./redraw";

export interface TopBar {
  readonly root: HTMLElement;
  /** Where the run's pause, step and speed go. */
  readonly control: HTMLElement;
  /** Where the page's own buttons go. */
  readonly tools: HTMLElement;
}

const TICK_MS = 200;

export function topBar(mesh: Mesh): TopBar {
  const title = el("h1", {});
  const about = el("p", { class: "quiet about" });
  const state = el("span", { class: "badge state" });
  const clock = el("time", { class: "clock" });
  const since = el("span", { class: "quiet since" });
  const doubts = doubtsView(mesh);
  const connection = el("span", { class: "badge connection", role: "status" });
  const control = el("div", { class: "control" });
  const tools = el("div", { class: "tools" });
  const root = el(
    "header",
    { class: "top" },
    el("div", { class: "run" }, title, about),
    el("div", { class: "time" }, state, el("div", {}, clock, since)),
    control,
    el("div", { class: "trust" }, doubts, connection),
    tools,
  );

  const tick = () => {
    const hello = mesh.hello;
    if (hello === null || mesh.epoch === null) return;
    // nobody knows how it went on since the connection was lost
    const now = mesh.connection === "open" && !mesh.hasEnded ? mesh.simNowNs() : mesh.epoch.simNs;
    setText(clock, `${utc(hello.startUnixNs, now)} UTC`);
    const end = Number(hello.endSimNs);
    setText(since, end > 0 ? `${elapsed(now)} of ${elapsed(end)}` : elapsed(now));
  };
  const draw = () => {
    const hello = mesh.hello;
    setText(title, hello === null ? "orbitmesh" : hello.title || hello.scenario || "orbitmesh");
    title.title = title.textContent ?? "";
    document.title = hello === null ? "orbitmesh" : `${hello.title || hello.scenario} – orbitmesh`;
    setText(about, hello === null ? "waiting for the server" : `run ${hello.runId} · ${many(hello.satellites, "satellite")} · ${many(hello.gateways.length, "gateway")}`);
    about.title =
      hello === null
        ? ""
        : [
            `scenario ${hello.scenario}`,
            `orbitmesh ${hello.version}`,
            `plane ${hello.plane}, backend ${hello.backend}`,
            `rates are emulated at ${times(hello.rateScale)} the physical ones`,
            ...hello.shells.map((each) => `${each.name}: ${many(each.satellites, "satellite")} at ${count(each.altitudeKm)} km, inclined by ${each.inclinationDeg}°`),
          ].join("\n");
    const [text, kind] = stateOf(mesh);
    setText(state, text);
    state.dataset["kind"] = kind;
    state.hidden = hello === null;
    const [said, look] = connectionOf(mesh);
    setText(connection, said);
    connection.dataset["kind"] = look;
    tick();
  };
  redrawOn(mesh, ["hello", "status", "connection", "epoch", "ended"], draw, 100);
  setInterval(tick, TICK_MS);
  return { root, control, tools };
}

function stateOf(mesh: Mesh): [text: string, kind: string] {
  const hello = mesh.hello;
  if (hello === null) return ["…", "quiet"];
  if (mesh.hasEnded) return ["ended", "quiet"];
  if (mesh.connection !== "open") return ["as last known", "quiet"];
  const speed = mesh.epoch?.speedRatio ?? 0;
  if (!hello.isLive) return [speed > 0 ? `record ${times(speed)}` : "record", "note"];
  if (mesh.status?.isPaused) return ["paused", "warn"];
  const ratio = mesh.status?.speedRatio ?? 1;
  return [ratio === 1 ? "live" : `live ${times(ratio)}`, "good"];
}

function connectionOf(mesh: Mesh): [text: string, kind: string] {
  switch (mesh.connection) {
    case "open":
      return ["connected", "good"];
    case "connecting":
      return ["connecting", "quiet"];
    case "lost":
      return ["connection lost", "bad"];
    case "refused":
      return ["refused", "bad"];
  }
}

/** What speaks against the figures: closed it says how much there is, open it says what. */
function doubtsView(mesh: Mesh): HTMLElement {
  const summary = el("summary", { class: "badge" });
  const list = el("ul", {});
  const figures = el("dl", { class: "figures" });
  const view = el("details", { class: "doubts" }, summary, el("div", { class: "popover" }, el("h2", {}, "Can these figures be trusted?"), list, figures));
  view.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !view.open) return;
    view.open = false;
    summary.focus();
    event.stopPropagation();
  });
  document.addEventListener("click", (event) => {
    if (view.open && !view.contains(event.target as Node)) view.open = false;
  });
  const draw = () => {
    const status = mesh.status;
    const notes = mesh.hello?.notes ?? [];
    const doubts = status?.doubts ?? [];
    const all = [...doubts, ...notes];
    const text = all.length > 0 ? [doubts.length > 0 ? many(doubts.length, "doubt") : "", notes.length > 0 ? many(notes.length, "note") : ""].filter(Boolean).join(", ") : status === null ? "not judged" : "no doubts";
    setText(summary, text);
    summary.dataset["kind"] = doubts.length > 0 ? "warn" : notes.length > 0 ? "note" : status === null ? "quiet" : "good";
    sync(list, all.length > 0 ? all : ["Nothing that is known speaks against them."], (each) => each, (each) => el("li", {}, each));
    const rows: [string, string][] = [
      ["Late ticks", status === null ? count(undefined) : `${count(status.lateTicks)} of ${count(status.ticks)}`],
      ["Lateness of the emulator, median", duration(status?.engineLatenessP50Ns)],
      ["Lateness of the emulator, p99", duration(status?.engineLatenessP99Ns)],
      ["Lateness of the emulator, most", duration(status?.engineLatenessMaxNs)],
      ["Round trips measured", count(status?.samples)],
      ["Probes lost", count(status?.lost)],
      ["Nodes ready", status === null ? count(undefined) : `${count(status.nodesReady)} of ${count(status.hosts)}`],
    ];
    sync(figures, rows, ([name]) => name, ([name]) => el("div", {}, el("dt", {}, name), el("dd", {})), (row, [, value]) => setText(row.lastElementChild ?? row, value));
  };
  redrawOn(mesh, ["hello", "status"], draw, 500);
  return view;
}

/** Over the page, where it cannot go on: the server refused it, went away, or the run has ended. */
export function notice(mesh: Mesh): HTMLElement {
  const heading = el("strong", {});
  const text = el("p", {});
  let closed = "";
  const close = button("✕", "Closes this note", () => {
    closed = heading.textContent ?? "";
    draw();
  }, "round");
  close.setAttribute("aria-label", "Close this note");
  const root = el("div", { class: "notice", role: "alert" });
  const draw = () => {
    const at = mesh.epoch === null || mesh.hello === null ? "" : ` What is shown is of ${utc(mesh.hello.startUnixNs, mesh.epoch.simNs)} UTC.`;
    const told: readonly [string, string, string] | null =
      mesh.connection === "refused"
        ? ["The server refused this page", `${asSentence(mesh.reason || "The token is missing or wrong.")} The whole address is needed: its end, after #, is the token.`, "bad"]
        : mesh.hasEnded && mesh.hello !== null
          ? ["The run has ended", `${mesh.reason.trim().toLowerCase() === "the run has ended" ? "" : asSentence(mesh.reason)}${at}`.trim(), "quiet"]
          : mesh.connection === "lost"
            ? ["The connection was lost", `It is tried again by itself.${at || " Is the server still there?"}`, "warn"]
            : null;
    if (told?.[0] !== closed) closed = "";
    root.hidden = told === null || closed !== "";
    if (told === null) return;
    setText(heading, told[0]);
    setText(text, told[1]);
    root.dataset["kind"] = told[2];
  };
  redrawOn(mesh, ["connection", "ended", "hello", "epoch"], draw, 100);
  fill(root, [el("div", {}, heading, text), close]);
  return root;
}
