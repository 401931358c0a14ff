/** The run's clock by hand: pause and resume, a step, another speed. */

import { typedDurationNs } from "../details/typed";
import { button, el, enable, fill, setAttribute, setText } from "../layout/dom";
import { duration, times } from "../layout/format";
import { redrawOn } from "../layout/redraw";
import { say, sentence } from "../layout/said";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import { whyNoControl } from "./why";

type Ask = Parameters<Wire["ask"]>[0];

const SPEEDS = ["0.1", "0.25", "0.5", "1", "2", "5", "10"];

export function mountControl(element: HTMLElement, mesh: Mesh, wire: Wire): { pauseOrResume: () => void; step: () => void } {
  const ask = async (what: Ask, done: string) => {
    try {
      await wire.ask(what);
      say(done);
    } catch (error) {
      say(sentence(error), "wrong");
    }
  };
  const isPaused = () => mesh.status?.isPaused === true;
  const pauseOrResume = () => void (isPaused() ? ask({ case: "resume", value: {} }, "Emulated time goes on.") : ask({ case: "pause", value: {} }, "Emulated time stands still."));
  const pause = button("Pause", "Emulated time stands still, and goes on where it stood (key: space)", pauseOrResume);
  const by = el("input", { type: "text", value: "1 s", class: "short", "aria-label": "How far a step goes", title: "How far a step goes, as in 100 ms or 1 min", autocomplete: "off", spellcheck: "false" });
  const stepNow = () => {
    try {
      const stepNs = typedDurationNs(by.value);
      void ask({ case: "step", value: { stepNs } }, `Stepped by ${duration(Number(stepNs))}.`);
    } catch (error) {
      say(sentence(error), "wrong");
    }
  };
  const step = button("Step", "Emulated time goes on by so much and stands still again (key: .)", stepNow);
  by.addEventListener("keydown", (event) => event.key === "Enter" && stepNow());
  const speed = el("select", { "aria-label": "Speed of emulated time", title: "How many emulated seconds there are in one of the machine" }, ...SPEEDS.map((each) => el("option", { value: each }, `${each} ×`)));
  const other = el("option", { value: "", hidden: true });
  speed.append(other);
  speed.value = "1";
  speed.addEventListener("change", () => {
    const ratio = Number(speed.value);
    void ask({ case: "speed", value: { speedRatio: ratio } }, `Emulated time goes at ${times(ratio)} the machine's.`).then(draw);
  });
  const root = el("div", { class: "transport", role: "group", "aria-label": "Time of the run" }, pause, step, by, speed);
  fill(element, [root]);

  const draw = () => {
    root.hidden = mesh.hello?.isLive !== true;
    const whyNot = whyNoControl(mesh);
    for (const each of [pause, by, speed]) enable(each, whyNot);
    enable(step, whyNot ?? (isPaused() ? null : "A step goes from where time stands still: pause first."));
    setText(pause, isPaused() ? "Resume" : "Pause");
    setAttribute(pause, "aria-pressed", String(isPaused()));
    const ratio = mesh.status?.speedRatio;
    if (ratio === undefined || document.activeElement === speed) return;
    const known = SPEEDS.find((each) => Number(each) === ratio);
    if (known === undefined && ratio > 0) setText(other, times(ratio));
    if (ratio > 0) speed.value = known ?? "";
  };
  redrawOn(mesh, ["hello", "status", "connection", "ended"], draw, 100);
  return { pauseOrResume, step: () => !step.disabled && stepNow() };
}
