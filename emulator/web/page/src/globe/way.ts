/** The watched pair's way there and back: bold, with dashes that run as packets do; the two side by side. */

import { Group } from "three";
import { type Mesh, pairKey } from "../state/mesh";
import { BACK, rgb, THERE } from "./colours";
import type { Course } from "./motion";
import { RUNS, Strokes, type StrokeUniforms } from "./strokes";

const THERE_COLOUR = rgb(THERE);
const BACK_COLOUR = rgb(BACK);
const WIDTH_PX = 2.6;
const ASIDE_PX = 1.9;
const RUN_PX_PER_S = 26;

export class WayLines {
  readonly group = new Group();
  private readonly strokes: Strokes;
  private a: number[] = [];
  private b: number[] = [];

  constructor(uniforms: StrokeUniforms, private readonly mesh: Mesh, private readonly course: Course) {
    this.strokes = new Strokes(uniforms);
    this.strokes.shape.renderOrder = 4;
    this.group.add(this.strokes.shape);
  }

  get drawn(): number {
    return this.strokes.drawn;
  }

  /** Nodes on the way there, for whoever marks them. */
  nodes: readonly number[] = [];

  set(): void {
    const { pair, ways, epoch } = this.mesh;
    this.a = [];
    this.b = [];
    this.nodes = [];
    let there = 0;
    if (pair !== null && epoch !== null) {
      this.nodes = ways.get(pairKey(pair[0], pair[1]))?.node ?? [];
      this.add(this.nodes);
      there = this.a.length;
      const back = ways.get(pairKey(pair[1], pair[0]))?.node ?? [...this.nodes].reverse();
      this.add(back);
    }
    this.strokes.shape.visible = this.a.length > 0;
    if (epoch === null || this.a.length === 0) return;
    this.strokes.setEnds(this.a, this.b, this.course.isKm, this.course.wasKm);
    for (let i = 0; i < this.a.length; i++) {
      this.strokes.setLook(i, i < there ? THERE_COLOUR : BACK_COLOUR, 1, WIDTH_PX, RUNS, ASIDE_PX);
    }
    this.strokes.looksSet();
  }

  run(nowMs: number): void {
    this.strokes.run((nowMs / 1000) * RUN_PX_PER_S);
  }

  private add(nodes: readonly number[]): void {
    nodes.forEach((node, i) => {
      const last = nodes[i - 1];
      if (last === undefined) return;
      this.a.push(last);
      this.b.push(node);
    });
  }
}
