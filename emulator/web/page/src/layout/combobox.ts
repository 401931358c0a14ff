/** A field for a node: typed with suggestions, by keyboard or pointer. */

import { nodeNamed, suggestions, type Suggestion } from "../state/names";
import type { Mesh } from "../state/mesh";
import { el, fill } from "./dom";

export interface Combobox {
  readonly root: HTMLElement;
  readonly input: HTMLInputElement;
  /** Shows the name; nothing is chosen by it. */
  show(text: string): void;
}

let made = 0;

export function combobox(mesh: Mesh, label: string, hint: string, choose: (node: number) => void): Combobox {
  const id = `nodes-${++made}`;
  const input = el("input", {
    type: "text",
    role: "combobox",
    "aria-label": label,
    "aria-expanded": "false",
    "aria-controls": id,
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: hint,
  });
  const list = el("ul", { id, role: "listbox", class: "suggestions", "aria-label": label, hidden: true });
  const root = el("div", { class: "combobox" }, input, list);
  let offered: Suggestion[] = [];
  let at = -1;

  const close = () => {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const take = (node: number) => {
    input.value = mesh.name(node);
    input.setCustomValidity("");
    close();
    choose(node);
  };
  const mark = (next: number) => {
    at = offered.length === 0 ? -1 : (next + offered.length) % offered.length;
    Array.from(list.children).forEach((each, i) => {
      each.setAttribute("aria-selected", String(i === at));
      if (i === at) each.scrollIntoView({ block: "nearest" });
    });
    if (at >= 0) input.setAttribute("aria-activedescendant", `${id}-${at}`);
  };
  const offer = () => {
    offered = suggestions(mesh, input.value);
    fill(
      list,
      offered.map((each, i) =>
        el(
          "li",
          { role: "option", id: `${id}-${i}`, "aria-selected": "false", mousedown: (event: MouseEvent) => event.preventDefault(), click: () => take(each.node) },
          el("span", {}, each.name),
          el("span", { class: "quiet" }, each.also),
        ),
      ),
    );
    at = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = offered.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  const typed = () => {
    const node = nodeNamed(mesh, input.value) ?? offered[0]?.node ?? null;
    if (node !== null) return take(node);
    input.setCustomValidity(`No satellite or gateway is called ${input.value}: choose one of those suggested.`);
    input.reportValidity();
  };

  input.addEventListener("input", () => {
    input.setCustomValidity("");
    offer();
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => {
    if (list.hidden) offer();
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) offer();
      mark(event.key === "ArrowDown" ? at + 1 : at < 0 ? -1 : at - 1);
    } else if (event.key === "Enter") {
      const marked = offered[at];
      if (marked !== undefined) take(marked.node);
      else if (input.value.trim() !== "") typed();
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
      return event.preventDefault();
    } else return;
    event.preventDefault();
  });
  return {
    root,
    input,
    show: (text) => {
      if (document.activeElement !== input) input.value = text;
    },
  };
}
