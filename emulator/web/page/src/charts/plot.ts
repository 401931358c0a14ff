/** One chart: lines over the run's clock, a reading of the newest or of the pointed-at instant, marks of events. */

import uPlot from "uplot";
import { el, fill, setText } from "../layout/dom";
import { elapsed, onAxis } from "../layout/format";

export interface Line {
  name: string;
  help: string;
  /** A custom property of the page's styles: "--line-1". */
  colour: string;
  isDashed?: boolean;
  show: (value: number) => string;
}

export interface Mark {
  s: number;
  isLoud: boolean;
}

export interface TimeShown {
  fromS: number;
  toS: number;
  /** The instant that is read where none is pointed at. */
  nowS: number;
  marks: readonly Mark[];
  /** An instant that is marked. */
  markedS: number | null;
}

export interface Plot {
  readonly root: HTMLElement;
  /** Columns: instants, then one for each line; NaN is a break. */
  draw(columns: readonly (readonly number[])[], time: TimeShown): void;
  /** Colours of the page have changed. */
  restyle(): void;
}

const HEIGHT_PX = 104;
const TIME_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const styleOf = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function plot(title: HTMLElement | string, lines: readonly Line[], axisText: (value: number) => string, whyEmpty: string): Plot {
  const values = lines.map(() => el("b", {}));
  const keys = lines.map((line, i) => {
    const swatch = el("i", { class: line.isDashed ? "swatch dashed" : "swatch", "aria-hidden": "true" });
    swatch.style.setProperty("--colour", `var(${line.colour})`);
    return el("span", { title: line.help }, swatch, line.name, " ", values[i] ?? null);
  });
  const place = el("div", { class: "plot" });
  const empty = el("p", { class: "quiet empty" }, whyEmpty);
  const root = el("figure", { class: "chart" }, el("figcaption", {}, el("span", { class: "chart-title" }, title), el("span", { class: "keys" }, ...keys)), place, empty);
  let chart: uPlot | null = null;
  let data: (number | null)[][] = [[], ...lines.map(() => [])];
  let marks: readonly Mark[] = [];
  let instantS: number | null = null;
  let newest = -1;

  const read = (index: number | null | undefined) => {
    lines.forEach((line, i) => {
      const column = data[i + 1] ?? [];
      const value = column[index ?? newest];
      const target = values[i];
      if (target !== undefined) setText(target, value === null || value === undefined ? "not measured" : line.show(value));
    });
  };
  const drawMarks = (of: uPlot) => {
    const { ctx, bbox } = of;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([]); // a dashed line was drawn last
    for (const mark of marks) {
      const x = Math.round(of.valToPos(mark.s, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = styleOf(mark.isLoud ? "--bad" : "--mark");
      ctx.beginPath();
      ctx.moveTo(x, mark.isLoud ? bbox.top : bbox.top + 0.86 * bbox.height);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    if (instantS !== null) {
      const x = Math.round(of.valToPos(instantS, "x", true));
      ctx.strokeStyle = styleOf("--accent");
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
  const axis = () => ({
    stroke: styleOf("--text-quiet"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: styleOf("--grid"), width: 1 },
    ticks: { show: false },
  });
  const make = (width: number) =>
    new uPlot(
      {
        width,
        height: HEIGHT_PX,
        legend: { show: false },
        padding: [8, 22, 0, 0],
        cursor: { sync: { key: "orbitmesh" }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
        scales: { x: { time: false, auto: false, min: 0, max: 1 }, y: { range: (_of, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
          { ...axis(), size: 22, space: 64, incrs: TIME_STEPS_S, values: (_of, at) => at.map((each) => elapsed(each * 1e9)) },
          { ...axis(), size: 68, space: 26, values: (_of, at) => at.map(onAxis(axisText)) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            stroke: styleOf(line.colour),
            width: 1.5,
            points: { show: false },
            spanGaps: false,
            ...(line.isDashed === true ? { dash: [5, 4] } : {}),
          })),
        ],
        hooks: { draw: [drawMarks], setCursor: [(of) => read(of.cursor.idx)] },
      },
      data as uPlot.AlignedData,
      place,
    );
  new ResizeObserver(() => {
    const width = Math.floor(place.clientWidth);
    if (width > 0) chart?.setSize({ width, height: HEIGHT_PX });
  }).observe(place);

  return {
    root,
    draw: (columns, { fromS, toS, nowS, marks: newMarks, markedS }) => {
      data = columns.map((column) => column.map((value) => (Number.isFinite(value) ? value : null)));
      [marks, instantS] = [newMarks, markedS];
      newest = -1;
      for (const s of columns[0] ?? []) if (s <= nowS) newest++;
      const isEmpty = !data.slice(1).some((column) => column.some((value) => value !== null));
      place.hidden = isEmpty;
      empty.hidden = !isEmpty;
      for (const each of keys) each.hidden = isEmpty;
      const width = Math.floor(place.clientWidth);
      if (isEmpty || width <= 0) return read(null);
      chart ??= make(width);
      chart.batch(() => {
        chart?.setData(data as uPlot.AlignedData, false);
        chart?.setScale("x", { min: fromS, max: toS });
      });
      read(chart.cursor.idx);
    },
    restyle: () => {
      chart?.destroy();
      chart = null;
      fill(place, []);
    },
  };
}
