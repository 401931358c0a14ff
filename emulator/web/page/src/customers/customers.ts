/** Customers by class: what they were promised, what they got, and what made it late. */

import { el, fill, setText, sync } from "../layout/dom";
import { count, duration, share } from "../layout/format";
import { panel, WAITING } from "../layout/panel";
import { redrawOn } from "../layout/redraw";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import type { ClassFigures, CustomerClass } from "../wire/web_pb";

interface Row {
  of: CustomerClass;
  figures: ClassFigures | undefined;
}

const VERDICTS: Readonly<Record<string, readonly [mark: string, text: string, kind: string]>> = {
  met: ["✓", "targets met", "good"],
  missed: ["✗", "targets missed", "bad"],
  "not known": ["?", "not known yet", "quiet"],
  "": ["–", "not judged yet", "quiet"],
};

export function mountCustomers(element: HTMLElement, mesh: Mesh, _wire: Wire): void {
  const box = panel("customers", "Customers");
  const list = el("div", { class: "classes" });
  const nobody = el("p", { class: "quiet" });
  fill(box.body, [nobody, list]);
  element.append(box.root);

  const draw = () => {
    const classes = mesh.hello?.customerClasses ?? [];
    const figures = mesh.status?.classes ?? [];
    nobody.hidden = classes.length > 0;
    setText(nobody, mesh.hello === null ? WAITING : "This scenario has no customers.");
    const missed = figures.filter((each) => each.verdict === "missed").length;
    const met = figures.filter((each) => each.verdict === "met").length;
    box.remark(mesh.hello === null ? "" : classes.length === 0 ? "none" : missed + met === 0 ? "" : `${met} met, ${missed} missed`);
    if (!box.isOpen()) return;
    const rows = classes.map((of) => ({ of, figures: figures.find((each) => each.name === of.name) }));
    sync(list, rows, (row) => row.of.name, makeClass, drawClass);
  };
  box.onOpen = redrawOn(mesh, ["hello", "status"], draw, 500);
}

function makeClass({ of }: Row): HTMLElement {
  const promised = of.targets.length === 0 ? ["No targets are set."] : of.targets;
  return el(
    "article",
    { class: "class" },
    el("header", {}, el("strong", {}, of.name), el("span", { class: "quiet" }, of.model), el("span", { class: "badge verdict" })),
    el("ul", { class: "targets", title: "What customers of this class are promised" }, ...promised.map((each) => el("li", {}, each))),
    el("div", { class: "answers-bar", role: "img" }, el("span", { class: "in-time" }), el("span", { class: "late" }), el("span", { class: "refused" })),
    el("dl", { class: "figures" }),
    el("p", { class: "cause" }),
  );
}

function drawClass(card: HTMLElement, { of, figures }: Row): void {
  const part = (name: string) => card.querySelector(`.${name}`) as HTMLElement;
  const [mark, text, kind] = VERDICTS[figures?.verdict ?? ""] ?? ["?", figures?.verdict ?? "", "quiet"];
  const badge = part("verdict");
  setText(badge, `${mark} ${text}`);
  badge.dataset["kind"] = kind;
  const asked = Number(figures?.asked ?? 0);
  const counts = [Number(figures?.inTime ?? 0), Number(figures?.answered ?? 0) - Number(figures?.inTime ?? 0), Number(figures?.refused ?? 0)];
  const bar = part("answers-bar");
  bar.setAttribute("aria-label", `Of ${count(asked)} asked: ${count(counts[0])} in time, ${count(counts[1])} late, ${count(counts[2])} refused`);
  bar.title = bar.getAttribute("aria-label") ?? "";
  counts.forEach((value, i) => {
    const segment = bar.children[i] as HTMLElement;
    segment.style.width = `${asked === 0 ? 0 : (100 * Math.max(0, value)) / asked}%`;
  });
  const unknown = figures === undefined;
  const rows: [string, string, string][] = [
    ["Asked", count(figures?.asked), "Requests that customers have sent since the run began"],
    ["Answered", count(figures?.answered), "Requests whose answer came back whole"],
    ["Refused", count(figures?.refused), "Requests that no satellite took"],
    [
      "In time",
      unknown ? count(undefined) : `${count(figures.inTime)}${figures.answered > 0n ? ` (${share(Number(figures.inTime) / Number(figures.answered))} of answers)` : ""}`,
      "Answers that came within the targets of their class",
    ],
    ["First token, median", duration(figures?.ttftP50Ns), "Time from sending a request to its first token, half of them are faster"],
    ["First token, p99", duration(figures?.ttftP99Ns), "99 of 100 requests have their first token within this time"],
    ["Whole answer, p99", duration(figures?.answerP99Ns), "99 of 100 answers are complete within this time"],
    ["Gateways", of.gateways.join(", ") || "all", "Where customers of this class are"],
  ];
  sync(
    part("figures"),
    rows,
    ([name]) => name,
    ([name, , help]) => el("div", { title: help }, el("dt", {}, name), el("dd", {})),
    (row, [, value]) => setText(row.lastElementChild ?? row, value),
  );
  const cause = part("cause");
  const why = [
    figures?.whyNotKnown ? `Not known yet: ${figures.whyNotKnown}.` : "",
    figures?.cause ? `What most missed by: ${figures.cause}.` : "",
  ].filter((each) => each !== "");
  cause.hidden = why.length === 0;
  setText(cause, why.join(" "));
}
