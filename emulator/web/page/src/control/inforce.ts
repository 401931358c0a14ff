/** What is failed or changed now, by whom and until when; each can be lifted. */

import { button, el, enable, fill, setText, sync } from "../layout/dom";
import { elapsed, many } from "../layout/format";
import { panel, WAITING } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import { say, sentence } from "../layout/said";
import { nodeNamed } from "../state/names";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import type { Intervention } from "../wire/web_pb";
import { whyNoControl } from "./why";

/** Those in force that were made by this very name, either way round for a link. */
export function inForceOn(mesh: Mesh, name: string): Intervention[] {
  const turned = name.split(":").reverse().join(":");
  return mesh.interventions.filter((each) => each.what === name || each.what === turned);
}

export async function lift(wire: Wire, what: readonly string[], shownAs: string): Promise<void> {
  try {
    await wire.ask({ case: "lift", value: { what: [...what] } });
    say(`${shownAs} is restored.`);
  } catch (error) {
    say(`${shownAs} is not restored: ${sentence(error)}`, "wrong");
  }
}

export function mountInForce(element: HTMLElement, mesh: Mesh, wire: Wire): void {
  const box = panel("inforce", "Failed or changed");
  const list = el("ul", { class: "interventions" });
  const none = el("p", { class: "quiet" });
  const all = button("Restore all", "Lifts everything in this list", () =>
    void lift(wire, mesh.interventions.map((each) => String(each.number)), "All that was failed or changed"),
  );
  fill(box.body, [none, list, all]);
  element.append(box.root);

  const draw = () => {
    const n = mesh.interventions.length;
    box.remark(mesh.hello === null ? "" : n === 0 ? "nothing" : many(n, "thing"));
    box.root.dataset["alarm"] = String(n > 0);
    if (!box.isOpen()) return;
    none.hidden = n > 0;
    setText(none, mesh.hello === null ? WAITING : "Nothing is failed or changed.");
    all.hidden = n < 2;
    enable(all, whyNoControl(mesh));
    sync(list, mesh.interventions, (each) => String(each.number), (each) => row(each, mesh, wire), (item, each) => {
      const text = item.querySelector(".does");
      if (text !== null) setText(text, told(each));
      const restore = item.querySelector<HTMLButtonElement>("button.restore");
      if (restore !== null) enable(restore, whyNoControl(mesh));
    });
  };
  box.onOpen = redrawOn(mesh, ["interventions", "hello", "connection", "ended"], draw, 100);
}

function told(of: Intervention): string {
  const since = of.atSimNs === undefined ? "" : `, since ${elapsed(Number(of.atSimNs), 1)}`;
  const until = of.untilSimNs === undefined ? "" : ` until ${elapsed(Number(of.untilSimNs), 1)}`;
  return `${of.does} (by ${of.by}${since}${until})`;
}

function row(of: Intervention, mesh: Mesh, wire: Wire): HTMLElement {
  const go = () => {
    const ends = of.what.split(":").map((each) => nodeNamed(mesh, each));
    const [a, b] = ends;
    if (a === undefined || a === null) return say(`${of.what} is no single node or link: it cannot be selected.`);
    if (b !== undefined && b !== null) mesh.pick({ kind: "link", a, b });
    else mesh.pick({ kind: "node", node: a });
    mesh.focusOn(b === undefined || b === null ? [a] : [a, b]);
  };
  return el(
    "li",
    {},
    el("div", {}, button(of.what, `Select ${of.what}`, go, "link"), el("p", { class: "does quiet" })),
    button("Restore", `Lifts intervention ${of.number}`, () => void lift(wire, [String(of.number)], of.what), "restore"),
  );
}
