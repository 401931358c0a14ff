/** What is under the mouse, in a line or two beside it: plain text. */

import type { Mesh, Picked } from "../state/mesh";
import { valuesOf } from "./legend";

const BESIDE_PX = 14;

export class Tip {
  private readonly element = document.createElement("div");

  constructor(private readonly over: HTMLElement, private readonly mesh: Mesh) {
    this.element.className = "globe-tip";
    this.element.hidden = true;
    over.append(this.element);
  }

  show(what: Picked, xPx: number, yPx: number): void {
    this.element.hidden = what.kind === "nothing";
    if (what.kind === "nothing") return;
    this.element.textContent = what.kind === "node" ? this.ofNode(what.node) : this.ofLink(what.a, what.b);
    const { offsetWidth, offsetHeight } = this.element;
    const fits = xPx + BESIDE_PX + offsetWidth <= this.over.clientWidth;
    const left = fits ? xPx + BESIDE_PX : xPx - BESIDE_PX - offsetWidth;
    const top = Math.min(yPx + BESIDE_PX, this.over.clientHeight - offsetHeight);
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  private ofNode(node: number): string {
    const { mesh } = this;
    const said = [mesh.name(node)];
    const known = mesh.satellites?.knownAs.get(node);
    if (known !== undefined) said.push(known);
    const shell = mesh.isGateway(node) ? undefined : mesh.hello?.shells[mesh.satellites?.shell[node] ?? 0];
    if (shell !== undefined) said.push(`shell ${shell.name}`);
    const coloured = valuesOf(mesh);
    const value = coloured?.values[node];
    if (coloured !== null && value !== undefined && !mesh.isGateway(node)) {
      const { title, unit, times } = coloured.shown;
      said.push(`${title}: ${Number.isNaN(value) ? "not known, or no way" : `${figure(value * times)} ${unit}`}`);
    }
    if (mesh.epoch?.failedNodes.has(node)) said.push("has failed");
    return said.join("\n");
  }

  private ofLink(a: number, b: number): string {
    const { mesh } = this;
    const { links, epoch, traffic } = mesh;
    const said = [`${mesh.name(a)} – ${mesh.name(b)}`];
    const row = links === null ? -1 : links.a.findIndex((each, i) => each === a && links.b[i] === b);
    if (row < 0 || epoch === null || links === null || epoch.linksNumber !== links.number) return said.join("\n");
    said.push(`${figure((epoch.linkDelayNs[row] ?? NaN) / 1e6)} ms one way`);
    const [ab, ba] = [epoch.linkRateAbBps[row] ?? NaN, epoch.linkRateBaBps[row] ?? NaN];
    said.push(ab === ba ? `${figure(ab / 1e9)} Gbit/s` : `${figure(ab / 1e9)} and ${figure(ba / 1e9)} Gbit/s`);
    if (traffic !== null && traffic.linksNumber === links.number) {
      const used = [traffic.useAb[row] ?? NaN, traffic.useBa[row] ?? NaN];
      if (!used.every(Number.isNaN)) said.push(`used: ${used.map((each) => `${figure(100 * each)} %`).join(" and ")}`);
    }
    if (epoch.linkIsUp[row] === 0) said.push("has failed");
    return said.join("\n");
  }
}

/** Three digits that count. */
function figure(value: number): string {
  return Number.isNaN(value) ? "not known" : String(Number(value.toPrecision(3)));
}
