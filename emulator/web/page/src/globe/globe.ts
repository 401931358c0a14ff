/** The globe: Earth, satellites and what joins them, drawn when something has changed or moves. */

import { Group, Scene, Vector2, Vector3, WebGLRenderer } from "three";
import type { Mesh, Picked } from "../state/mesh";
import type { Wire } from "../wire/socket";
import { Earth } from "./earth";
import { Gateways } from "./gateways";
import { handleOf, type Globe } from "./handle";
import { Highlight } from "./highlight";
import { LinkLines } from "./links";
import { Course, isMoving, type Motion, positionOf } from "./motion";
import { pickAt, type Where } from "./pick";
import { hearPointer } from "./pointer";
import { Satellites } from "./satellites";
import { stars } from "./stars";
import type { StrokeUniforms } from "./strokes";
import { Tip } from "./tip";
import { View } from "./view";
import { WayLines } from "./way";

/** More pixels than that nobody sees, and they cost. */
const MOST_PIXEL_RATIO = 2;
export const NO_WEBGL =
  "This browser draws no WebGL 2, so there is no globe here: the table shows the same satellites, links and stations.";

/** Null where the browser has no WebGL: what it says then stands in the element. */
export function mountGlobe(element: HTMLElement, mesh: Mesh, _wire: Wire): Globe | null {
  const canvas = document.createElement("canvas");
  canvas.className = "globe-canvas";
  [canvas.width, canvas.height] = sizePx(element); // to be given another size it waits until WebGL has begun
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute(
    "aria-label",
    "Globe with satellites and links. Arrow keys turn it, plus and minus zoom, Home goes back; tables hold the same.",
  );
  // strokes, points and coasts are smooth by their own shaders: four samples a pixel would show nothing more
  const options: WebGLContextAttributes = { alpha: false, antialias: false, powerPreference: "high-performance" };
  const context = canvas.getContext("webgl2", options);
  if (context === null) {
    const message = document.createElement("p");
    message.className = "globe-message";
    message.textContent = NO_WEBGL;
    element.append(message);
    element.dataset["webgl"] = "none";
    return null;
  }
  const over = document.createElement("div");
  over.className = "globe-over";
  element.append(canvas, over);
  element.dataset["webgl"] = "drawn";
  const drawing = new Drawing(element, canvas, context, over, mesh);
  const handle = handleOf(drawing, mesh);
  window.orbitmesh = handle;
  return handle;
}

export class Drawing {
  readonly view: View;
  readonly satellites: Satellites;
  readonly links: LinkLines;
  readonly way: WayLines;
  readonly gateways: Gateways;
  motion: Motion = { fraction: 0, simNs: 0, earthRotationRad: 0 };
  frames = 0;
  /** Of the last frames, by performance.now(). */
  readonly frameMs: number[] = [];
  isLost = false;
  /** Once there is something to draw by. */
  private isReady = false;
  firstSatellitesMs = NaN;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly fixed = new Group();
  private readonly sky = new Group();
  private readonly earth: Earth;
  private readonly highlight: Highlight;
  private readonly tip: Tip;
  private readonly uniforms: StrokeUniforms = {
    fraction: { value: 0 },
    sizePx: { value: new Vector2(1, 1) },
    pixelRatio: { value: 1 },
  };
  private readonly course: Course;
  private readonly sun = new Vector3();
  private readonly sunSeen = new Vector3();
  private wanted = 0;
  private fitted = false;
  private width = 1;
  private height = 1;

  constructor(
    element: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    context: WebGL2RenderingContext,
    over: HTMLElement,
    private readonly mesh: Mesh,
  ) {
    this.renderer = new WebGLRenderer({ canvas, context });
    this.renderer.setClearColor(0x05080f);
    this.course = new Course(mesh);
    this.view = new View(canvas, () => this.want());
    this.earth = new Earth(2048);
    this.satellites = new Satellites(this.uniforms.fraction, mesh, this.course);
    this.links = new LinkLines(this.uniforms, mesh, this.course);
    this.way = new WayLines(this.uniforms, mesh, this.course);
    this.gateways = new Gateways(mesh, over);
    this.highlight = new Highlight(mesh, this.course);
    this.tip = new Tip(over, mesh);
    this.sky.add(stars());
    this.fixed.add(
      this.earth.group,
      this.links.group,
      this.way.group,
      this.satellites.points,
      this.gateways.points,
      this.highlight.points,
    );
    this.scene.add(this.fixed, this.sky);
    this.hear(element);
    this.catchUp();
    // all programs at once, while the page goes on: one after the other they hold it up for half a second
    void this.renderer.compileAsync(this.scene, this.view.camera).then(() => {
      this.isReady = true;
      this.want();
    });
  }

  /** A frame is drawn at the next chance; asked for twice, it is drawn once. */
  want(): void {
    if (this.wanted !== 0 || document.hidden || this.isLost || !this.isReady) return;
    this.wanted = requestAnimationFrame((ms) => this.draw(ms));
  }

  get isStill(): boolean {
    return this.wanted === 0 && this.isReady;
  }

  where(): Where {
    return {
      camera: this.view.camera,
      turned: this.fixed.matrixWorld,
      width: this.width,
      height: this.height,
      fraction: this.motion.fraction,
      course: this.course,
    };
  }

  pickAt(xPx: number, yPx: number, reachPx: number): Picked {
    return pickAt(this.mesh, this.links, this.where(), xPx, yPx, reachPx);
  }

  turnTo(nodes: readonly number[]): void {
    const sum = new Vector3();
    const at = new Vector3();
    for (const node of nodes) sum.add(positionOf(this.course, node, this.motion.fraction, at).normalize());
    const last = nodes[0];
    if (last === undefined || this.mesh.epoch === null) return;
    const far = positionOf(this.course, last, this.motion.fraction, at).length();
    // opposite ones have no middle
    if (sum.lengthSq() < 1e-6) sum.copy(at);
    this.view.turnTo(sum.setLength(far).applyMatrix4(this.fixed.matrixWorld));
  }

  private draw(nowMs: number): void {
    this.wanted = 0;
    this.motion = this.course.motion(performance.now());
    this.uniforms.fraction.value = this.motion.fraction;
    const isTurning = this.view.step(performance.now());
    const turned = this.motion.earthRotationRad;
    this.fixed.rotation.z = this.mesh.look.frame === "stars" ? turned : 0;
    this.sky.rotation.z = this.mesh.look.frame === "stars" ? 0 : -turned;
    this.scene.updateMatrixWorld();
    this.view.camera.updateMatrixWorld();
    const epoch = this.mesh.epoch;
    if (epoch !== null) {
      this.sun.set(...epoch.sun).normalize();
      this.sunSeen.copy(this.sun).applyMatrix4(this.fixed.matrixWorld);
      this.sunSeen.transformDirection(this.view.camera.matrixWorldInverse);
      this.earth.setSun(this.sun, this.sunSeen);
    }
    const runs = this.way.drawn > 0 && (epoch?.speedRatio ?? 0) !== 0;
    if (runs) this.way.run(nowMs);
    this.highlight.step(this.motion.fraction);
    this.renderer.render(this.scene, this.view.camera);
    this.gateways.place(this.view.camera, this.fixed.matrixWorld, this.width, this.height);
    this.frames++;
    if (Number.isNaN(this.firstSatellitesMs) && this.satellites.drawn > 0) this.firstSatellitesMs = performance.now();
    this.frameMs.push(performance.now());
    if (this.frameMs.length > 240) this.frameMs.shift();
    if (isTurning || runs || isMoving(this.mesh, this.motion)) this.want();
  }

  private hear(element: HTMLElement): void {
    const { mesh } = this;
    const on = (topic: Parameters<Mesh["on"]>[0], hear: () => void): void => {
      mesh.on(topic, () => {
        hear();
        this.want();
      });
    };
    on("hello", () => this.gateways.setNodes());
    on("nodes", () => this.satellites.setColours());
    on("epoch", () => this.takeEpoch());
    on("links", () => this.links.setEpoch());
    on("traffic", () => this.links.setLooks());
    on("layer", () => this.satellites.setColours());
    on("ways", () => this.way.set());
    on("pair", () => {
      this.way.set();
      this.gateways.setLooks();
    });
    on("look", () => {
      this.satellites.setColours();
      this.links.setLooks();
    });
    on("picked", () => {
      this.links.setLooks();
      this.gateways.setLooks();
      this.highlight.set();
    });
    on("focus", () => this.turnTo(mesh.focus));
    on("connection", () => undefined);
    hearPointer(
      this.canvas,
      (x, y, reach) => this.pickAt(x, y, reach),
      (what) => mesh.pick(what),
      (what, x, y) => this.tip.show(what, x, y),
    );
    document.addEventListener("visibilitychange", () => this.want());
    this.canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.isLost = true;
    });
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.isLost = false;
      this.want();
    });
    new ResizeObserver(() => this.resize(element)).observe(element);
    this.resize(element);
  }

  /** With what the page was told before there was a globe. */
  private catchUp(): void {
    this.gateways.setNodes();
    if (this.mesh.epoch !== null) this.takeEpoch();
    if (this.mesh.satellites !== null) this.satellites.setColours();
    if (this.mesh.focus.length > 0) this.turnTo(this.mesh.focus);
  }

  private takeEpoch(): void {
    this.course.take();
    this.motion = this.course.motion(performance.now()); // the last frame's was from the epoch before
    this.satellites.setEpoch();
    this.links.setEpoch();
    this.way.set();
    this.gateways.setLooks();
    this.highlight.set();
    if (!this.fitted && this.mesh.hello !== null) {
      this.fitted = true;
      this.view.fit(highest(this.mesh));
      this.satellites.setSize(this.height, this.uniforms.pixelRatio.value);
    }
  }

  private resize(element: HTMLElement): void {
    this.width = Math.max(element.clientWidth, 1);
    this.height = Math.max(element.clientHeight, 1);
    const ratio = pixelRatio();
    const [widthPx, heightPx] = sizePx(element);
    const isOther = this.canvas.width !== widthPx || this.canvas.height !== heightPx;
    if (isOther || this.renderer.getPixelRatio() !== ratio) {
      this.renderer.setDrawingBufferSize(this.width, this.height, ratio);
    }
    this.uniforms.pixelRatio.value = ratio;
    this.uniforms.sizePx.value.set(this.width * ratio, this.height * ratio);
    this.satellites.setSize(this.height, ratio);
    this.gateways.setSize(ratio);
    this.highlight.setSize(ratio);
    this.view.resize(this.width, this.height);
  }
}

function pixelRatio(): number {
  return Math.min(window.devicePixelRatio, MOST_PIXEL_RATIO);
}

/** Of what is drawn, as the renderer reckons it. */
function sizePx(element: HTMLElement): [number, number] {
  const of = (length: number): number => Math.floor(Math.max(length, 1) * pixelRatio());
  return [of(element.clientWidth), of(element.clientHeight)];
}

/** Of all satellites, in the scene. */
function highest(mesh: Mesh): number {
  const epoch = mesh.epoch;
  let square = 1;
  const p = epoch?.positionKm ?? new Float32Array(0);
  for (let i = 0; i < 3 * mesh.nSatellites; i += 3) {
    square = Math.max(square, (p[i] ?? 0) ** 2 + (p[i + 1] ?? 0) ** 2 + (p[i + 2] ?? 0) ** 2);
  }
  return Math.sqrt(square) / 6378.137;
}
