/** The picked pair: who, by which way, and its round trip as a bar of its parts. */

import { combobox } from "../layout/combobox";
import { button, el, fill, setText, sync } from "../layout/dom";
import { many, ms, times } from "../layout/format";
import { panel } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import { say } from "../layout/said";
import { nearestSatellite } from "../state/around";
import { pairKey, type Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import type { Way } from "../wire/web_pb";
import { measuredBy, partsOf, scaleEnd, type Part, type Parts } from "./parts";

export function mountLatency(element: HTMLElement, mesh: Mesh, wire: Wire): void {
  const box = panel("latency", "Latency of a pair");
  let ends: [number | null, number | null] = [null, null];

  const set = (next: [number | null, number | null]) => {
    ends = next;
    const [a, b] = ends;
    if (a !== null && b !== null && a === b) {
      say("Source and destination are the same: choose another one.", "wrong");
      ends = [a, null];
    }
    mesh.setPair(ends[0] === null || ends[1] === null ? null : [ends[0], ends[1]]);
  };
  const from = combobox(mesh, "Source", "from, such as gw-london", (node) => set([node, ends[1]]));
  const to = combobox(mesh, "Destination", "to, such as sat-3-7", (node) => set([ends[0], node]));
  const fromSelection = () => {
    const picked = mesh.picked;
    if (picked.kind === "link") set([picked.a, picked.b]);
    else if (picked.kind === "node") set(ends[0] === null ? [picked.node, ends[1]] : [ends[0], picked.node]);
    else say("Nothing is selected: click a satellite, a station or a laser first.", "wrong");
  };
  const nearest = () => {
    const gateway = ends.find((node) => node !== null && mesh.isGateway(node)) ?? null;
    const satellite = gateway === null ? null : nearestSatellite(mesh, gateway);
    if (gateway === null) say("Choose a gateway as source first.", "wrong");
    else if (satellite === null) say(`${mesh.name(gateway)} has no link to a satellite now.`, "wrong");
    else set([gateway, satellite]);
  };
  const swap = button("⇅", "Source and destination change places", () => set([ends[1], ends[0]]), "swap");
  swap.setAttribute("aria-label", "Swap source and destination");
  const clear = button("✕", "No pair is followed", () => set([null, null]), "round");
  clear.setAttribute("aria-label", "Clear the pair");
  const tools = el(
    "div",
    { class: "row" },
    button("From selection", "Takes what is selected: both ends of a link, or a node as the end that is missing", fromSelection),
    button("Nearest satellite", "As destination: of the satellites that the gateway has a link to now, the nearest; such pairs are measured", nearest),
    clear,
  );
  const shown = wayView(mesh);
  const nothing = el("p", { class: "quiet" });
  fill(box.body, [el("div", { class: "pair" }, from.root, swap, to.root), tools, nothing, shown.root]);
  element.append(box.root);

  mesh.on("pair", () => {
    if (mesh.pair !== null) ends = [mesh.pair[0], mesh.pair[1]];
    const [sourceNode, destinationNode] = mesh.pair === null ? [[], []] : [[mesh.pair[0]], [mesh.pair[1]]];
    // without a connection it is asked for as soon as there is one
    wire.keep({ case: "watch", value: { sourceNode, destinationNode } }).catch((error: Error) => {
      if (mesh.connection === "open") say(error.message, "wrong");
    });
  });

  const draw = () => {
    from.show(ends[0] === null ? "" : mesh.name(ends[0]));
    to.show(ends[1] === null ? "" : mesh.name(ends[1]));
    const pair = mesh.pair;
    const way = pair === null ? undefined : mesh.ways.get(pairKey(pair[0], pair[1]));
    const hasWay = way !== undefined && way.node.length > 1;
    shown.root.hidden = !hasWay;
    nothing.hidden = hasWay;
    if (!hasWay || way === undefined) {
      box.remark("");
      setText(
        nothing,
        pair === null
          ? "Choose two nodes: their way is drawn, and their round trip is taken apart. A gateway and the satellite that serves it are measured too: choose a gateway, then Nearest satellite."
          : way === undefined
            ? "The way comes with the next epoch."
            : "There is no way between them now.",
      );
      return;
    }
    const parts = partsOf(way);
    box.remark(parts.measuredNs === null ? ms(parts.physicalNs) : ms(parts.measuredNs));
    if (box.isOpen()) shown.draw(way, parts);
  };
  box.onOpen = redrawOn(mesh, ["pair", "ways", "nodes", "hello"], draw, 100);
}

function wayView(mesh: Mesh): { root: HTMLElement; draw: (way: Way, parts: Parts) => void } {
  const measured = el("strong", { class: "big" });
  const measuredNote = el("span", { class: "quiet" });
  const stretch = el("span", { class: "stretch", title: "How much longer light travels on this way than it would on the straight line" });
  const bar = el("div", { class: "parts-bar", role: "img" });
  const half = el("span", {});
  const end = el("span", {});
  const list = el("dl", { class: "parts" });
  const nodes = el("ol", { class: "way" });
  const hops = el("p", { class: "quiet" });
  const root = el(
    "div",
    {},
    el("div", { class: "headline" }, measured, measuredNote, stretch),
    bar,
    el("div", { class: "bar-scale", "aria-hidden": "true" }, el("span", {}, "0"), half, end),
    list,
    hops,
    nodes,
  );

  const draw = (way: Way, parts: Parts) => {
    const isMeasured = parts.measuredNs !== null;
    setText(measured, ms(parts.measuredNs ?? parts.physicalNs));
    setText(
      measuredNote,
      isMeasured
        ? ` round trip, measured: median of ${many(way.samples, "sample")} by ${measuredBy(way)}`
        : " round trip by physics; not measured: nothing probes this pair now",
    );
    setText(stretch, parts.stretch === null ? "" : `${times(parts.stretch)} the straight line`);
    const scale = scaleEnd(Math.max(parts.sumNs, parts.measuredNs ?? 0));
    bar.setAttribute("aria-label", parts.parts.map((each) => `${each.name}: ${ms(each.ns)}`).join("; "));
    sync(bar, parts.parts.filter((each) => each.ns !== null), (each) => each.key, (each) => el("span", { class: `part-${each.key}` }), (segment, each) => {
      segment.style.width = `${(100 * (each.ns ?? 0)) / scale}%`;
      segment.title = `${each.name}: ${ms(each.ns)}`;
    });
    setText(half, ms(scale / 2));
    setText(end, ms(scale));
    sync(list, parts.parts, (each) => each.key, partRow, (row, each) => setText(row.lastElementChild ?? row, ms(each.ns)));
    setText(hops, `${many(way.node.length - 1, "link")}, with the latency one way:`);
    const steps = way.node.map((node, i) => ({ node, i, delayNs: way.hopDelayNs[i - 1] }));
    sync(nodes, steps, (each) => `${each.i}:${each.node}`, (each) => wayStep(mesh, each.node), (item, each) => {
      const first = item.firstElementChild;
      if (first !== null) setText(first, each.i === 0 ? "" : `${ms(each.delayNs)} →`);
      item.firstElementChild?.toggleAttribute("hidden", each.i === 0);
    });
  };
  return { root, draw };
}

function partRow(part: Part): HTMLElement {
  return el(
    "div",
    { title: part.help },
    el("dt", {}, el("span", { class: `key part-${part.key}`, "aria-hidden": "true" }), part.name),
    el("dd", {}),
  );
}

function wayStep(mesh: Mesh, node: number): HTMLElement {
  const name = mesh.name(node);
  const pick = () => {
    mesh.pick({ kind: "node", node });
    mesh.focusOn([node]);
  };
  return el("li", {}, el("span", { class: "quiet" }), button(name, `Select ${name}`, pick, "link"));
}
