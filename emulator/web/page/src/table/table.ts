/** The mesh as tables: sorted by a heading, filtered by what is typed, a page at a time; a row is selected by a click. */

import { button, el, fill, setAttribute, setText, sync } from "../layout/dom";
import { count } from "../layout/format";
import { redrawOn } from "../layout/redraw";
import type { Mesh } from "../state/mesh";
import type { Wire } from "../wire/socket";
import { holds, isEverything, parseFilter, sorted } from "./filter";
import { SHEETS, type Column, type Sheet } from "./sheets";

const PAGE_ROWS = 100;
/** Beyond so many rows they are filtered and sorted when the viewer asks, not each time something changes. */
const MANY_ROWS = 20_000;

export interface Table {
  readonly root: HTMLElement;
  /** While it is seen. */
  setShown(isShown: boolean): void;
}

export function mountTable(element: HTMLElement, mesh: Mesh, _wire: Wire): Table {
  let key: Sheet["key"] = "satellites";
  let sortedBy: string | null = null;
  let isRising = true;
  let page = 0;
  let isShown = false;
  /** Rows in the order in which they are shown; null: all, as they are numbered. */
  let order: Uint32Array | null = null;
  let isOrderOld = true;

  const tabs = el("div", { class: "tabs", role: "group", "aria-label": "Which table" });
  const filter = el("input", { type: "search", "aria-label": "Filter", placeholder: "filter: sat-3, failed, altitude>550", title: "Words that a row must hold, and comparisons of a column's numbers, such as latency>20", autocomplete: "off", spellcheck: "false" });
  const head = el("tr", {});
  const body = el("tbody", {});
  // anywhere in a row does what the button at its beginning does
  body.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target.closest("button") === null) target.closest("tr")?.querySelector<HTMLButtonElement>("button")?.click();
  });
  const table = el("table", { class: "sheet" }, el("caption", { class: "unseen" }), el("thead", {}, head), body);
  const summary = el("p", { class: "quiet", role: "status" });
  const before = button("Previous", "The page before", () => turn(page - 1));
  const next = button("Next", "The next page", () => turn(page + 1));
  const again = button("Refresh", "Filters and sorts by the numbers of now", () => renew());
  const scroll = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" }, table);
  const root = el("div", { class: "table-view" }, el("div", { class: "row" }, tabs, filter), scroll, el("div", { class: "row pages" }, before, next, again, summary));
  element.append(root);

  const renew = () => {
    isOrderOld = true;
    draw();
  };
  const turn = (to: number) => {
    page = to;
    scroll.scrollTop = 0;
    draw();
  };
  const choose = (to: Sheet["key"]) => {
    [key, sortedBy, isRising, page] = [to, null, true, 0];
    renew();
  };
  const sortBy = (column: string) => {
    isRising = sortedBy === column ? !isRising : true;
    [sortedBy, page] = [column, 0];
    renew();
  };
  filter.addEventListener("input", () => {
    page = 0;
    renew();
  });

  const draw = () => {
    if (!isShown) return;
    const sheet = SHEETS[key](mesh);
    const isMany = sheet.rows > MANY_ROWS;
    if (isOrderOld || !isMany) order = orderOf(sheet, filter.value, sortedBy, isRising);
    isOrderOld = false;
    const n = order === null ? sheet.rows : order.length;
    const pages = Math.max(1, Math.ceil(n / PAGE_ROWS));
    page = Math.min(Math.max(0, page), pages - 1);
    before.disabled = page === 0;
    next.disabled = page >= pages - 1;
    again.hidden = !isMany;
    setText(summary, `${count(n)} of ${count(sheet.rows)} ${sheet.name.toLowerCase()}, page ${count(page + 1)} of ${count(pages)}`);
    setText(table.caption ?? summary, sheet.name);
    sync(tabs, ["satellites", "links", "gateways"] as const, (each) => each, (each) => button(each[0]?.toUpperCase() + each.slice(1), `Shows ${each}`, () => choose(each), "tab"), (tab, each) => setAttribute(tab, "aria-pressed", String(each === key)));
    sync(head, sheet.columns, (column) => `${key} ${column.key} ${column.name}`, (column) => heading(column, sortBy), (cell, column) =>
      setAttribute(cell, "aria-sort", column.key === sortedBy ? (isRising ? "ascending" : "descending") : null),
    );
    const first = page * PAGE_ROWS;
    const rows = Array.from({ length: Math.min(PAGE_ROWS, n - first) }, (_, i) => order?.[first + i] ?? first + i);
    drawRows(body, sheet, rows);
  };
  redrawOn(mesh, ["hello", "nodes", "links", "epoch", "layer", "traffic", "status", "picked"], draw, 1000);
  mesh.on("picked", () => requestAnimationFrame(draw));
  mesh.on("hello", () => (isOrderOld = true));
  return {
    root,
    setShown: (value) => {
      isShown = value;
      if (isShown) renew();
    },
  };
}

function orderOf(sheet: Sheet, typed: string, sortedBy: string | null, isRising: boolean): Uint32Array | null {
  const asked = parseFilter(typed, sheet.columns.filter((each) => each.isNumber).map((each) => each.key));
  const by = new Map(sheet.columns.map((each) => [each.key, each]));
  const texts = sheet.columns.filter((each) => !each.isNumber);
  let rows: Uint32Array | null = null;
  if (!isEverything(asked)) {
    const found: number[] = [];
    for (let row = 0; row < sheet.rows; row++) {
      const value = (column: string) => Number(by.get(column)?.value(row));
      if (holds(asked, () => texts.map((each) => each.text(row)).join(" "), value)) found.push(row);
    }
    rows = Uint32Array.from(found);
  }
  const column = sortedBy === null ? undefined : by.get(sortedBy);
  if (column === undefined) return rows;
  return sorted(rows ?? Uint32Array.from({ length: sheet.rows }, (_, i) => i), column.value, isRising);
}

function heading(column: Column, sortBy: (column: string) => void): HTMLElement {
  return el("th", { scope: "col", class: column.isNumber ? "number" : "" }, button(column.name, `${column.help}. Sorts by it.`, () => sortBy(column.key), "heading"));
}

function drawRows(body: HTMLElement, sheet: Sheet, rows: readonly number[]): void {
  // keyed by place: a row's button keeps the focus while its numbers change
  const places = rows.map((row, i) => ({ row, i }));
  const columns = sheet.columns.length;
  sync(
    body,
    places,
    (each) => `${sheet.key} ${columns} ${each.i}`,
    () => el("tr", {}, ...sheet.columns.map((column, i) => el(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : { class: column.isNumber ? "number" : "" }))),
    (element, { row }) => {
      sheet.columns.forEach((column, i) => {
        const cell = element.children[i];
        if (cell === undefined) return;
        if (i > 0) return setText(cell, column.text(row));
        const name = column.text(row);
        if (cell.firstElementChild === null || cell.getAttribute("data-row") !== String(row)) {
          fill(cell, [button(name, `Select ${name}`, () => sheet.pick(row), "link")]);
          cell.setAttribute("data-row", String(row));
        } else setText(cell.firstElementChild, name);
      });
      setAttribute(element, "aria-selected", sheet.isPicked(row) ? "true" : null);
    },
  );
}
