/** A panel: a heading that opens and closes it, a short remark beside, and its body. */

import { el, setText } from "./dom";
import { keep, kept } from "./kept";

/** What a panel says while nothing is known of the run. */
export const WAITING = "Not known yet: the server has told nothing of its run.";

export interface Panel {
  readonly root: HTMLElement;
  readonly body: HTMLElement;
  /** A few words beside the heading, readable while the panel is closed. */
  remark(text: string): void;
  open(): void;
  isOpen(): boolean;
  /** Called when it is opened, to draw what was not while it was closed. */
  onOpen: () => void;
}

export function panel(name: string, heading: string, isOpenAtFirst = true): Panel {
  const body = el("div", { class: "panel-body", id: `panel-${name}` });
  const remark = el("span", { class: "panel-remark" });
  const head = el(
    "button",
    { type: "button", class: "panel-head", "aria-controls": body.id },
    el("span", { class: "panel-mark", "aria-hidden": "true" }),
    el("span", { class: "panel-title" }, heading),
    remark,
  );
  const root = el("section", { class: `panel panel-${name}`, "aria-label": heading }, el("h2", {}, head), body);
  const before = kept(`panel.${name}`);
  let isOpen = before === null ? isOpenAtFirst : before === "open";
  const show = () => {
    head.setAttribute("aria-expanded", String(isOpen));
    body.hidden = !isOpen;
  };
  const set = (value: boolean) => {
    isOpen = value;
    keep(`panel.${name}`, isOpen ? "open" : "closed");
    show();
    if (isOpen) made.onOpen();
  };
  head.addEventListener("click", () => set(!isOpen));
  show();
  const made: Panel = {
    root,
    body,
    remark: (text) => setText(remark, text),
    open: () => {
      if (!isOpen) set(true);
    },
    isOpen: () => isOpen,
    onOpen: () => undefined,
  };
  return made;
}
