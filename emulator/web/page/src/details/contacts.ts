/** The next times at which two see each other: when, how long, and how far by light. */

import { button, el, setText, sync } from "../layout/dom";
import { duration, elapsed, ms } from "../layout/format";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import type { Contact } from "../wire/web_pb";
import { sentence } from "../layout/said";

const MOST_ROWS = 20;

export interface ContactList {
  readonly root: HTMLElement;
  /** Asks for those of a node, or of two. */
  ask(a: number, b: number | undefined): void;
}

export function contactList(mesh: Mesh, wire: Wire): ContactList {
  const note = el("p", { class: "quiet" });
  const body = el("tbody", {});
  const table = el(
    "table",
    { class: "contacts" },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("th", { scope: "col" }, "with"),
        el("th", { scope: "col", title: "On the run's clock" }, "from"),
        el("th", { scope: "col" }, "for"),
        el("th", { scope: "col", title: "Round trip by light at its beginning and at its end" }, "round trip"),
      ),
    ),
    body,
  );
  const withHead = table.querySelector("th") as HTMLElement;
  let asked = 0;
  let of: [number, number | undefined] = [-1, undefined];
  const again = button("Again", "Asks for the next contacts from now on", () => load());
  const root = el("section", {}, el("h3", {}, "Next contacts ", again), note, el("div", { class: "scroll" }, table));

  const load = () => {
    const mine = ++asked;
    const [aNode, bNode] = of;
    setText(note, "Asked for …");
    note.hidden = false;
    table.hidden = true;
    wire
      .ask({ case: "contacts", value: bNode === undefined ? { aNode } : { aNode, bNode } })
      .then((answer) => {
        if (mine !== asked) return;
        const found = answer.told.case === "contacts" ? answer.told.value.contacts : [];
        table.hidden = found.length === 0;
        note.hidden = found.length > 0;
        setText(note, "None in the time that is looked ahead.");
        withHead.hidden = bNode !== undefined;
        sync(body, found.slice(0, MOST_ROWS), key, (each) => row(each, aNode, bNode === undefined, mesh));
      })
      .catch((error: unknown) => {
        if (mine === asked) setText(note, sentence(error));
      });
  };
  return {
    root,
    ask: (a, b) => {
      of = [a, b];
      body.replaceChildren();
      load();
    },
  };
}

const key = (of: Contact) => `${of.aNode} ${of.bNode} ${of.beginSimNs}`;

function row(of: Contact, asked: number, isNamed: boolean, mesh: Mesh): HTMLElement {
  const other = of.aNode === asked ? of.bNode : of.aNode;
  const pick = () => {
    mesh.pick({ kind: "node", node: other });
    mesh.focusOn([other]);
  };
  const light = of.beginRttNs === undefined && of.endRttNs === undefined ? "not known" : `${ms(of.beginRttNs).replace(" ms", "")} → ${ms(of.endRttNs)}`;
  const begins = Number(of.beginSimNs);
  return el(
    "tr",
    {},
    isNamed ? el("td", {}, button(mesh.name(other), `Select ${mesh.name(other)}`, pick, "link")) : null,
    el("td", {}, begins <= mesh.simNowNs() ? "now" : elapsed(begins)),
    el("td", {}, duration(Number(of.endSimNs) - begins)),
    el("td", {}, light),
  );
}
