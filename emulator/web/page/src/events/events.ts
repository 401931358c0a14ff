/** What happened: newest first, by kind, each leads to its instant and its place. */

import { button, el, fill, setText, sync } from "../layout/dom";
import { elapsed, many, utc } from "../layout/format";
import { panel, WAITING } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import { say, sentence } from "../layout/said";
import { linkRow } from "../state/around";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import type { Event } from "../wire/web_pb";
import { byKind, line, meaning, newest, weight } from "./kinds";

const FIRST_SHOWN = 30;
const MOST_SHOWN = 2000;

export function mountEvents(element: HTMLElement, mesh: Mesh, wire: Wire): void {
  const box = panel("events", "Events");
  const hidden = new Set<string>();
  let shown = FIRST_SHOWN;
  const kinds = el("div", { class: "chips", role: "group", "aria-label": "Kinds of events that are shown" });
  const list = el("ol", { class: "events" });
  const none = el("p", { class: "quiet" });
  const missed = el("p", { class: "quiet" });
  const more = button("Show earlier ones", "Lengthens the list", () => {
    shown = Math.min(MOST_SHOWN, shown + 100);
    draw();
  });
  fill(box.body, [kinds, missed, none, list, more]);
  element.append(box.root);

  const draw = () => {
    box.remark(mesh.events.length === 0 ? "" : many(mesh.events.length, "event"));
    if (!box.isOpen()) return;
    sync(
      kinds,
      byKind(mesh.events),
      ([kind]) => kind,
      ([kind]) => {
        const chip = button("", meaning(kind), () => {
          if (!hidden.delete(kind)) hidden.add(kind);
          draw();
        }, "chip");
        chip.dataset["weight"] = weight(kind);
        return chip;
      },
      (chip, [kind, n]) => {
        setText(chip, `${kind} ${n}`);
        chip.setAttribute("aria-pressed", String(!hidden.has(kind)));
      },
    );
    const rows = newest(mesh.events, hidden, shown + 1);
    more.hidden = rows.length <= shown;
    none.hidden = rows.length > 0;
    setText(none, mesh.hello === null ? WAITING : mesh.events.length === 0 ? "Nothing has happened yet." : "All kinds that happened are hidden.");
    missed.hidden = mesh.missedEntries === 0;
    setText(missed, `${many(mesh.missedEntries, "entry", "entries")} came faster than this page could read: they are missing here.`);
    sync(list, rows.slice(0, shown), (event) => String(event.number), (event) => row(event, mesh, wire));
  };
  box.onOpen = redrawOn(mesh, ["events", "missed", "hello"], draw, 300);
}

function row(event: Event, mesh: Mesh, wire: Wire): HTMLElement {
  const at = Number(event.simNs);
  const [kind, rest] = line(event);
  const go = () => void show(event, mesh, wire);
  const item = button("", `${meaning(event.kind)}. Shows ${mesh.hello?.isLive === false ? "this instant and its place" : "where it happened, and the charts at its instant"}.`, go, "event");
  item.dataset["weight"] = weight(event.kind);
  fill(item, [
    el("span", { class: "when" }, elapsed(at, 1)),
    el("span", { class: "what" }, el("strong", {}, kind), " ", rest),
  ]);
  return el("li", {}, item);
}

/** To its instant (where time cannot be sought, in the charts alone), and to its place. */
export async function show(event: Event, mesh: Mesh, wire: Wire): Promise<void> {
  const at = Number(event.simNs);
  mesh.pointAt(at);
  if (mesh.hello?.isLive === false) {
    try {
      await wire.ask({ case: "seek", value: { simNs: event.simNs } });
    } catch (error) {
      say(sentence(error), "wrong");
      return;
    }
  } else {
    say(`${line(event)[0]} at ${elapsed(at, 1)} since the start, ${utc(mesh.hello?.startUnixNs ?? 0n, at)} UTC.`);
  }
  const [a, b] = event.node;
  if (a === undefined) return;
  if (b !== undefined && (linkRow(mesh, a, b) >= 0 || event.kind.startsWith("laser"))) mesh.pick({ kind: "link", a, b });
  else mesh.pick({ kind: "node", node: a });
  mesh.focusOn(event.node.slice(0, 2));
}
