/** The scales of the globe's colours, as small pictures with their numbers. */

import { laserLegend, type Legend, satelliteLegend } from "../globe/legend";
import { el, fill } from "../layout/dom";
import { redrawOn } from "../layout/redraw";
import type { Mesh } from "../state/mesh";
import { digits } from "../layout/format";

/** Below the globe, of which it hides nothing, and seen whatever else is open. */
export function mountLegend(element: HTMLElement, mesh: Mesh): void {
  const place = el("div", { class: "legend" });
  element.append(place);
  redrawOn(mesh, ["hello", "look", "layer", "epoch"], () => drawLegends(place, mesh), 500);
}

function drawLegends(place: HTMLElement, mesh: Mesh): void {
  const satellites = satelliteLegend(mesh);
  const lasers = laserLegend(mesh);
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
  const scale = el("div", { class: "legend-scale" }, el("span", {}, shown(of.least)), bar, el("span", {}, `${shown(of.most)} ${of.unit}`));
  return of.unknown === null ? [scale] : [scale, entry(of.unknown.label, of.unknown.colour, "dot")];
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
