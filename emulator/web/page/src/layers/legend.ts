/** The scales of the globe's colours, as small pictures with their numbers. */

import type { Legend } from "../globe/legend";
import { el, fill } from "../layout/dom";
import { redrawOn } from "../layout/redraw";
import type { Mesh } from "../state/mesh";
import { digits } from "../layout/format";

/** What is coloured now: satellites always, lasers where they are drawn; null where there is no globe. */
export type Legends = () => { satellites: Legend; lasers: Legend | null } | null;

/** Over the globe's corner, where it is seen whatever else is open. */
export function mountLegend(element: HTMLElement, mesh: Mesh, legends: Legends): void {
  const place = el("div", { class: "legend" });
  element.append(place);
  redrawOn(mesh, ["hello", "look", "layer", "epoch"], () => drawLegends(place, legends), 500);
}

function drawLegends(place: HTMLElement, legends: Legends): void {
  const all = legends();
  if (all === null) return fill(place, []);
  const { satellites, lasers } = all;
  const now = JSON.stringify([satellites, lasers]);
  if (place.dataset["shown"] === now) return;
  place.dataset["shown"] = now;
  fill(place, [legend(satellites), lasers === null ? null : legend(lasers)]);
}

function legend(of: Legend): HTMLElement {
  return el("figure", {}, el("figcaption", {}, of.title), ...(of.kind === "scale" ? scale(of) : [classes(of)]));
}

function scale(of: Extract<Legend, { kind: "scale" }>): HTMLElement[] {
  const bar = el("div", { class: "scale-bar", role: "img", "aria-label": `from ${shown(of.least)} to ${shown(of.most)} ${of.unit}` });
  bar.style.background = `linear-gradient(to right, ${of.colours.join(", ")})`;
  const ends = el("div", { class: "bar-scale" }, el("span", {}, shown(of.least)), el("span", {}, of.unit), el("span", {}, shown(of.most)));
  return of.unknown === null ? [bar, ends] : [bar, ends, entry(of.unknown.label, of.unknown.colour, "dot")];
}

const shown = (value: number) => (Number.isFinite(value) ? (Number.isInteger(value) ? String(value) : digits(value)) : "not known");

function classes(of: Extract<Legend, { kind: "classes" }>): HTMLElement {
  return el("div", { class: "classes-legend" }, ...of.entries.map((each) => entry(each.label, each.colour, each.mark)));
}

function entry(label: string, colour: string, mark: string): HTMLElement {
  const swatch = el("span", { class: `legend-${mark}`, "aria-hidden": "true" });
  swatch.style.color = colour;
  return el("span", { class: "legend-entry" }, swatch, label);
}
