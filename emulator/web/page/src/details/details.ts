/** What is selected: its numbers, its links, its next contacts, and what can be done to it. */

import { combobox } from "../layout/combobox";
import { button, el, fill, setText, sync } from "../layout/dom";
import { count, many, ms, place, rate, share } from "../layout/format";
import { panel } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import { sentence } from "../layout/said";
import { epochHasLinks, hasAllLinks, linkKind, linkRow, linkState, placeOf, rowsOf } from "../state/around";
import type { Mesh, Picked } from "../state/mesh";
import type { Wire } from "../wire/socket";
import type { Answer, Figure } from "../wire/web_pb";
import { actions } from "./actions";
import { contactList } from "./contacts";

const ASKED_AGAIN_MS = 2000;
const MOST_LINKS = 40;

type Row = readonly [name: string, value: string];

export function mountDetails(element: HTMLElement, mesh: Mesh, wire: Wire): void {
  const box = panel("details", "Selected");
  const find = combobox(mesh, "Find a node", "find: sat-3-7, gw-london", (node) => {
    mesh.pick({ kind: "node", node });
    mesh.focusOn([node]);
  });
  find.input.id = "find-node";
  const nothing = el("p", { class: "quiet" }, "Click a satellite, a station or a laser, or find one by its name.");
  const title = el("h3", { class: "selected-name" });
  const subtitle = el("p", { class: "quiet" });
  const does = actions(mesh, wire);
  const figures = el("dl", { class: "figures" });
  const linksTitle = el("h3", {});
  const links = el("ul", { class: "links" });
  const linksPart = el("section", {}, linksTitle, links);
  const contacts = contactList(mesh, wire);
  const see = button("Show on the globe", "Turns the globe to it", () => mesh.focusOn(nodesOf(mesh.picked)));
  const away = button("Let go", "Nothing is selected", () => mesh.pick({ kind: "nothing" }));
  const content = el("div", {}, title, subtitle, el("div", { class: "row" }, see, away), does.root, figures, linksPart, contacts.root);
  fill(box.body, [find.root, nothing, content]);
  element.append(box.root);

  let told: Row[] = [];
  let toldOf = "";
  let askedMs = -Infinity;
  let isAsking = false;

  const ask = () => {
    const picked = mesh.picked;
    if (picked.kind === "nothing" || isAsking || mesh.connection !== "open" || document.hidden) return;
    if (performance.now() - askedMs < ASKED_AGAIN_MS) return;
    isAsking = true;
    askedMs = performance.now();
    const of = keyOf(picked);
    answerFor(wire, picked)
      .then((rows) => [rows, of] as const)
      .catch((error: unknown) => [[["More figures", sentence(error)] as const], of] as const)
      .then(([rows, mine]) => {
        isAsking = false;
        if (mine !== keyOf(mesh.picked)) return;
        [told, toldOf] = [[...rows], mine];
        redraw();
      });
  };

  const draw = () => {
    const picked = mesh.picked;
    const isPicked = picked.kind !== "nothing";
    box.remark(picked.kind === "nothing" ? "nothing" : nameOf(mesh, picked));
    if (!box.isOpen()) return;
    nothing.hidden = isPicked;
    content.hidden = !isPicked;
    if (!isPicked) return;
    const name = nameOf(mesh, picked);
    setText(title, name);
    setText(subtitle, whatItIs(mesh, picked));
    does.draw(name, hasFailed(mesh, picked));
    const rows = toldOf === keyOf(picked) ? merged(ownFigures(mesh, picked), told) : ownFigures(mesh, picked);
    sync(figures, rows, ([row]) => row, ([row]) => el("div", {}, el("dt", {}, row), el("dd", {})), (row, [, value]) => setText(row.lastElementChild ?? row, value));
    linksPart.hidden = picked.kind !== "node";
    if (picked.kind === "node") drawLinks(mesh, picked.node, linksTitle, links);
    ask();
  };
  const redraw = redrawOn(mesh, ["hello", "nodes", "links", "epoch", "traffic", "status", "interventions", "connection", "picked", "ended"], draw, 250);
  box.onOpen = redraw;
  mesh.on("connection", draw);
  mesh.on("interventions", draw); // what can be done next is known at once
  mesh.on("picked", () => {
    askedMs = -Infinity;
    const picked = mesh.picked;
    if (picked.kind !== "nothing") box.open();
    draw(); // at once: what is done to it must never be done to the one before
    find.show(picked.kind === "node" ? mesh.name(picked.node) : "");
    if (picked.kind === "nothing") return;
    if (picked.kind === "node") contacts.ask(picked.node, undefined);
    else contacts.ask(picked.a, picked.b);
  });
}

/** Links of a node, of which the page has a list of its own. */
const A_LINK = /^(laser|ground link) to /;

/** What the server tells stands for what the page reckons itself, but for what links carry. */
function merged(own: readonly Row[], toldRows: readonly Row[]): Row[] {
  const carried = own.filter(([name]) => name.startsWith("Use"));
  const rest = toldRows.filter(([name]) => !A_LINK.test(name));
  return [...rest.map(([name, value]) => [`${name[0]?.toUpperCase() ?? ""}${name.slice(1)}`, value] as const), ...carried];
}

function nodesOf(picked: Picked): number[] {
  return picked.kind === "node" ? [picked.node] : picked.kind === "link" ? [picked.a, picked.b] : [];
}

function keyOf(picked: Picked): string {
  return `${picked.kind} ${nodesOf(picked).join(" ")}`;
}

function nameOf(mesh: Mesh, picked: Picked): string {
  return picked.kind === "link" ? mesh.linkName(picked.a, picked.b) : picked.kind === "node" ? mesh.name(picked.node) : "";
}

function whatItIs(mesh: Mesh, picked: Picked): string {
  if (picked.kind === "link") {
    const row = linkRow(mesh, picked.a, picked.b);
    return row < 0 ? "no link between the two now" : `${linkKind(mesh, row)}, ${linkState(mesh, row)}`;
  }
  if (picked.kind === "nothing") return "";
  const state = mesh.epoch?.failedNodes.has(picked.node) ? ", has failed" : "";
  if (mesh.isGateway(picked.node)) return `gateway${state}`;
  const known = mesh.satellites?.knownAs.get(picked.node);
  return `satellite of shell ${mesh.shellName(picked.node) || "not known"}${known === undefined ? "" : `, known as ${known}`}${state}`;
}

function hasFailed(mesh: Mesh, picked: Picked): boolean {
  if (picked.kind === "node") return mesh.epoch?.failedNodes.has(picked.node) ?? false;
  if (picked.kind === "nothing") return false;
  const state = linkState(mesh, linkRow(mesh, picked.a, picked.b));
  return state === "has failed" || state === "is changed";
}

/** What the page knows itself, without asking. */
function ownFigures(mesh: Mesh, picked: Picked): Row[] {
  if (picked.kind === "node") {
    const at = placeOf(mesh, picked.node);
    if (at === null) return [["Where", "not known"]];
    const over = mesh.isGateway(picked.node) ? "Where" : "Over";
    return [[over, place(at.latitudeDeg, at.longitudeDeg)], ...(mesh.isGateway(picked.node) ? [] : [["Altitude", `${count(at.altitudeKm)} km`] as const])];
  }
  if (picked.kind === "nothing") return [];
  const row = linkRow(mesh, picked.a, picked.b);
  const epoch = mesh.epoch;
  if (row < 0 || epoch === null || !epochHasLinks(mesh)) return [];
  const traffic = mesh.traffic?.linksNumber === mesh.links?.number ? mesh.traffic : null;
  const isTurned = mesh.links?.a[row] !== picked.a;
  const [there, back] = isTurned ? (["←", "→"] as const) : (["→", "←"] as const);
  return [
    ["Latency, one way", ms(epoch.linkDelayNs[row])],
    [`Rate ${there}`, rate(epoch.linkRateAbBps[row])],
    [`Rate ${back}`, rate(epoch.linkRateBaBps[row])],
    [`Use ${there}`, share(traffic?.useAb[row])],
    [`Use ${back}`, share(traffic?.useBa[row])],
  ];
}

async function answerFor(wire: Wire, picked: Picked): Promise<Row[]> {
  const answer: Answer =
    picked.kind === "link"
      ? await wire.ask({ case: "link", value: { aNode: picked.a, bNode: picked.b } })
      : await wire.ask({ case: "node", value: { node: picked.kind === "node" ? picked.node : 0 } });
  const told = answer.told;
  const figures: Figure[] = told.case === "node" || told.case === "link" ? told.value.figures : [];
  return figures.map((each) => [each.name, each.value] as const);
}

function drawLinks(mesh: Mesh, node: number, title: HTMLElement, list: HTMLElement): void {
  const rows = rowsOf(mesh, node);
  const none = hasAllLinks(mesh) ? "No links now" : "None of its links is among those that are shown";
  setText(title, rows.length === 0 ? none : `${many(rows.length, "link")}${hasAllLinks(mesh) ? "" : " of those that are shown"}`);
  const links = mesh.links;
  if (links === null) return;
  const ends = rows.slice(0, MOST_LINKS).map((row) => ({ row, other: links.a[row] === node ? (links.b[row] ?? 0) : (links.a[row] ?? 0) }));
  sync(
    list,
    ends,
    (each) => String(each.other),
    (each) => {
      const name = mesh.name(each.other);
      const pick = () => mesh.pick({ kind: "link", a: node, b: each.other });
      return el("li", {}, button(name, `Select the link to ${name}`, pick, "link"), el("span", { class: "quiet" }));
    },
    (item, each) => {
      const state = linkState(mesh, each.row);
      const delay = epochHasLinks(mesh) ? ms(mesh.epoch?.linkDelayNs[each.row]) : "";
      setText(item.lastElementChild ?? item, `${linkKind(mesh, each.row)}, ${delay}${state === "works" ? "" : `, ${state}`}`);
    },
  );
}
