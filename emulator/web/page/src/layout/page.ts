/** The page: a bar on top, the globe or the tables in the middle, panels at its sides, charts below. */

import { mountCharts } from "../charts/charts";
import { mountControl } from "../control/control";
import { mountInForce } from "../control/inforce";
import { mountCustomers } from "../customers/customers";
import { mountDetails } from "../details/details";
import { mountEvents } from "../events/events";
import { mountLatency } from "../latency/latency";
import { mountLegend } from "../layers/legend";
import { mountLayers } from "../layers/layers";
import { History } from "../state/history";
import type { Mesh } from "../state/mesh";
import { mountTable } from "../table/table";
import { mountTimeLine } from "../time/timeline";
import type { Wire } from "../wire/socket";
import { button, el, enable, fill } from "./dom";
import { keep, kept } from "./kept";
import { keysDialog, listenToKeys, type Key } from "./keyboard";
import { resume } from "./resume";
import { say, sayingPlace } from "./said";
import { notice, topBar } from "./topbar";

export interface Page {
  /** Where the globe goes. */
  readonly globe: HTMLElement;
  /** The globe cannot be drawn: tables take its place, with the reason. */
  withoutGlobe: (reason: string) => void;
}

export function mountPage(element: HTMLElement, mesh: Mesh, wire: Wire): Page {
  const history = new History(mesh);
  const bar = topBar(mesh);
  const view3d = el("div", { class: "globe-view" });
  const globe = el("div", { class: "globe", id: "globe" }, view3d);
  const tables = el("div", { class: "tables", hidden: true });
  const whyTable = el("p", { class: "why-table", role: "status", hidden: true });
  tables.append(whyTable);
  const middle = el("main", { class: "middle", id: "middle", tabindex: -1 }, globe, tables, notice(mesh), sayingPlace());
  const left = el("aside", { class: "side left", "aria-label": "View and selection" });
  const right = el("aside", { class: "side right", "aria-label": "Latency, customers and events" });
  const bottom = el("footer", { class: "bottom" });
  const timePlace = el("div", {});
  const root = el("div", { class: "page" }, bar.root, left, middle, right, bottom);
  bottom.append(timePlace);

  const control = mountControl(bar.control, mesh, wire);
  mountDetails(left, mesh, wire);
  mountInForce(left, mesh, wire);
  mountLayers(left, mesh, wire);
  mountLegend(globe, mesh);
  mountLatency(right, mesh, wire);
  mountCustomers(right, mesh, wire);
  mountEvents(right, mesh, wire);
  const time = mountTimeLine(timePlace, mesh, wire);
  mountCharts(bottom, mesh, wire, history);
  const table = mountTable(tables, mesh, wire);

  const asGlobe = button("Globe", "The Earth with what flies around it (key: g)", () => view("globe"), "tab");
  const asTable = button("Table", "The same as tables: satellites, links, gateways (key: t)", () => view("table"), "tab");
  let whyNoGlobe: string | null = null;
  const view = (which: "globe" | "table") => {
    const isTable = which === "table" || whyNoGlobe !== null;
    globe.hidden = isTable;
    tables.hidden = !isTable;
    asGlobe.setAttribute("aria-pressed", String(!isTable));
    asTable.setAttribute("aria-pressed", String(isTable));
    table.setShown(isTable);
    if (whyNoGlobe === null) keep("view", which);
  };
  const sides = { left: sideOf(root, middle, "left"), right: sideOf(root, middle, "right") };
  const letGo = () => {
    if (mesh.picked.kind !== "nothing") mesh.pick({ kind: "nothing" });
    mesh.pointAt(null);
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  };
  const focusOn = (selector: string) => {
    sides.left(true);
    const found = root.querySelector<HTMLElement>(selector);
    if (found instanceof HTMLButtonElement && found.disabled) say(found.title, "wrong");
    else if (found === null || !found.checkVisibility()) say("Nothing is selected: click something, or find it by its name (key: /).", "wrong");
    found?.focus();
    found?.scrollIntoView({ block: "nearest" });
  };
  const isRecord = () => mesh.hello?.isLive === false;
  const keys: Key[] = [
    { key: "/", shown: "/", does: "Find a satellite or a gateway by its name", act: () => focusOn("#find-node") },
    { key: "f", shown: "f", does: "Go to Fail, of what is selected (Enter does it)", act: () => focusOn(".actions .danger") },
    { key: "r", shown: "r", does: "Go to Restore, of what is selected (Enter does it)", act: () => focusOn(".actions .danger + button") },
    { key: "Escape", shown: "Esc", does: "Let go of what is selected", act: letGo },
    { key: "g", shown: "g", does: "Show the globe", act: () => view("globe") },
    { key: "t", shown: "t", does: "Show the tables", act: () => view("table") },
    { key: " ", shown: "space", does: "Pause and resume; of a record: play and stop", act: () => (isRecord() ? time.playOrStop() : control.pauseOrResume()) },
    { key: ".", shown: ".", does: "A step further", act: () => (isRecord() ? time.by(1) : control.step()) },
    { key: ",", shown: ",", does: "Of a record: a step back", act: () => isRecord() && time.by(-1) },
    { key: "[", shown: "[", does: "Fold the left side away, or back", act: () => sides.left() },
    { key: "]", shown: "]", does: "Fold the right side away, or back", act: () => sides.right() },
    { key: "?", shown: "?", does: "This list", act: () => help.showModal() },
  ];
  const help = keysDialog(keys);
  listenToKeys(keys.map((each) => (each.key === " " ? { ...each, act: () => !isIdle(mesh) && each.act() } : each)));
  fill(bar.tools, [el("div", { class: "tabs", role: "group", "aria-label": "View" }, asGlobe, asTable), button("?", "Keys (key: ?)", () => help.showModal(), "round")]);
  fill(element, [el("a", { href: "#middle", class: "skip" }, "To the middle of the page"), root, help]);
  resume(mesh, wire);
  view(kept("view") === "table" ? "table" : "globe");

  return {
    globe: view3d,
    withoutGlobe: (reason) => {
      whyNoGlobe = reason;
      enable(asGlobe, reason);
      whyTable.hidden = false;
      whyTable.textContent = reason;
      view("table");
    },
  };
}

/** A live mesh that may not be controlled is not paused by a key either. */
function isIdle(mesh: Mesh): boolean {
  return mesh.hello === null || (mesh.hello.isLive && !mesh.hello.canControl);
}

/** Folds a side away and back; a button at its edge does, and the function that is given back. */
function sideOf(root: HTMLElement, middle: HTMLElement, side: "left" | "right"): (isOpen?: boolean) => void {
  let isOpen = kept(`side.${side}`) !== "closed";
  const fold = button("", "", () => set(!isOpen), `fold fold-${side}`);
  middle.append(fold);
  const set = (value: boolean) => {
    isOpen = value;
    keep(`side.${side}`, isOpen ? "open" : "closed");
    root.dataset[side] = isOpen ? "open" : "closed";
    fold.textContent = (side === "left") === isOpen ? "‹" : "›";
    fold.title = `${isOpen ? "Fold" : "Unfold"} the ${side} side (key: ${side === "left" ? "[" : "]"})`;
    fold.setAttribute("aria-label", fold.title);
    fold.setAttribute("aria-expanded", String(isOpen));
  };
  set(isOpen);
  return (value = !isOpen) => set(value);
}
