/** The one place where the page speaks: what was done and what went wrong, read out politely, gone after a while. */

import { el, setText } from "./dom";

const SHOWN_MS = 8000;

const place = el("div", { class: "said", role: "status", "aria-live": "polite", hidden: true });
let timer = 0;

export function sayingPlace(): HTMLElement {
  return place;
}

export function say(text: string, kind: "done" | "wrong" = "done"): void {
  clearTimeout(timer);
  place.dataset["kind"] = kind;
  place.hidden = false;
  setText(place, text);
  timer = window.setTimeout(() => {
    place.hidden = true;
    setText(place, "");
  }, SHOWN_MS);
}

/** The sentence of anything that was thrown. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
