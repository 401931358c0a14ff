/** What can be done to the selected node or link: fail, restore, another rate, loss or delay. */

import { inForceOn, lift } from "../control/inforce";
import { whyNoControl } from "../control/why";
import { button, el, enable, setText } from "../layout/dom";
import { duration } from "../layout/format";
import { say, sentence } from "../layout/said";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import { typedChange, typedDurationNs, type Change } from "./typed";

export interface Actions {
  readonly root: HTMLElement;
  /** For what is named; `isFailed` by the epoch, whoever did it. */
  draw(what: string, isFailed: boolean): void;
}

export function actions(mesh: Mesh, wire: Wire): Actions {
  let what = "";
  const field = (label: string, hint: string, help: string) => el("input", { type: "text", "aria-label": label, placeholder: hint, title: help, autocomplete: "off", spellcheck: "false" });
  const lasts = field("For how long", "as in 30 s", "How long it lasts, as in 30 s; empty: until it is restored");
  const rate = field("Rate", "rate: 10 Mbit/s", "Physical rate both ways, before the scenario's rate scale");
  const loss = field("Loss", "loss: 2 %", "So many packets are lost, each way");
  const delay = field("Delay", "delay: 5 ms", "Added to the delay, each way");
  const status = el("p", { class: "in-force", role: "status" });
  const why = el("p", { class: "quiet" });

  const ask = async (change: Change, done: string) => {
    const of = what;
    const beganMs = performance.now();
    setText(status, `Asked: ${of} ${done} …`);
    try {
      await wire.ask({ case: "intervene", value: { what: [of], ...change } });
      const took = duration((performance.now() - beganMs) * 1e6);
      const text = `${of} ${done}: in force, ${took} after it was asked for.`;
      setText(status, of === what ? text : "");
      say(text);
    } catch (error) {
      setText(status, "");
      say(`${of}: ${sentence(error)}`, "wrong");
    }
  };
  const read = <Value>(from: () => Value): Value | null => {
    try {
      return from();
    } catch (error) {
      say(sentence(error), "wrong");
      return null;
    }
  };
  const fail = button("Fail", "It carries nothing from now on; routes follow as the scenario says", () => {
    const change = read(() => (lasts.value.trim() === "" ? {} : { lastsNs: typedDurationNs(lasts.value) }));
    if (change !== null) void ask(change, "has failed");
  }, "danger");
  const restore = button("Restore", "Lifts what was failed or changed by this name", () => {
    const found = inForceOn(mesh, what);
    setText(status, "");
    void lift(wire, found.length === 0 ? [what] : found.map((each) => String(each.number)), what);
  });
  const change = button("Change", "Gives it the rate, loss and delay that are written here", () => {
    const asked = read(() => typedChange({ rate: rate.value, loss: loss.value, delay: delay.value, lasts: lasts.value }));
    if (asked !== null) void ask(asked, "is changed");
  });
  const fields = el("div", { class: "change" }, rate, loss, delay, change);
  for (const each of [rate, loss, delay]) each.addEventListener("keydown", (event) => event.key === "Enter" && change.click());
  lasts.addEventListener("keydown", (event) => event.key === "Enter" && fail.focus());
  const root = el(
    "div",
    { class: "actions" },
    el("div", { class: "row" }, fail, restore, el("label", { class: "lasts" }, el("span", { class: "quiet" }, "for"), lasts)),
    el("details", {}, el("summary", {}, "Change rate, loss or delay"), fields),
    status,
    why,
  );

  return {
    root,
    draw: (name, isFailed) => {
      if (name !== what) setText(status, "");
      what = name;
      const whyNot = whyNoControl(mesh);
      const found = inForceOn(mesh, name);
      enable(fail, whyNot ?? (found.some((each) => each.does === "fails") ? `${name} has failed already.` : null));
      enable(restore, whyNot ?? (found.length === 0 && !isFailed ? `Nothing of ${name} is failed or changed.` : null));
      for (const each of [change, rate, loss, delay, lasts]) enable(each, whyNot);
      why.hidden = whyNot === null;
      setText(why, whyNot ?? "");
    },
  };
}
