/** What keys do, wherever the focus is but in a field; and the list of them, which `?` shows. */

import { button, el } from "./dom";

export interface Key {
  /** As KeyboardEvent.key has it, and as it is shown. */
  key: string;
  shown: string;
  does: string;
  act: () => void;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName));
}

export function listenToKeys(keys: readonly Key[]): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) && event.key !== "Escape") return;
    // what a button or a summary does by space is its own
    if (event.key === " " && event.target instanceof HTMLElement && ["BUTTON", "SUMMARY", "A"].includes(event.target.tagName)) return;
    const found = keys.find((each) => each.key === event.key);
    if (found === undefined) return;
    event.preventDefault();
    found.act();
  });
}

/** The list of keys, closed. */
export function keysDialog(keys: readonly Key[]): HTMLDialogElement {
  const close = button("Close", "Back to the page", () => dialog.close());
  const dialog = el(
    "dialog",
    { class: "keys-dialog", "aria-label": "Keys" },
    el("h2", {}, "Keys"),
    el("dl", {}, ...keys.map((each) => el("div", {}, el("dt", {}, el("kbd", {}, each.shown)), el("dd", {}, each.does)))),
    el("p", { class: "quiet" }, "Tab goes from one field to the next, Enter does what a button says. In a list of suggestions the arrows choose. Everything that the globe shows is in the tables too."),
    close,
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}
