/** The eye: orbit controls with inertia, keys, and a turn to what the viewer wants to see. */

import { PerspectiveCamera, Vector3 } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

const FIRST_FROM = new Vector3(2.0, 1.35, 1.75);
const NEAREST = 1.15;
const FURTHEST = 40;
const TURN_MS = 700;
const KEY_RAD = 0.09;
const KEY_ZOOM = 1.18;

export class View {
  readonly camera = new PerspectiveCamera(38, 1, 0.01, 200);
  private readonly controls: OrbitControls;
  private turn: { from: Vector3; to: Vector3; beganMs: number } | null = null;
  private farEnough = FIRST_FROM.length();

  /** `changed` is called where a frame must be drawn. */
  constructor(canvas: HTMLCanvasElement, private readonly changed: () => void) {
    this.camera.up.set(0, 0, 1);
    this.camera.position.copy(FIRST_FROM);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.dampingFactor = 0.08;
    this.controls.enablePan = false;
    this.controls.minDistance = NEAREST;
    this.controls.maxDistance = FURTHEST;
    this.controls.addEventListener("start", () => (this.turn = null));
    this.controls.addEventListener("change", changed);
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Before a frame: the inertia, or the turn under way.  True while it goes on. */
  step(nowMs: number): boolean {
    // near the ground a finger's width is fewer degrees
    const height = this.camera.position.length() - 1;
    this.controls.rotateSpeed = Math.min(Math.max(0.32 * height, 0.04), 0.8);
    if (this.turn !== null) {
      const at = Math.min((nowMs - this.turn.beganMs) / TURN_MS, 1);
      const eased = at * at * (3 - 2 * at);
      this.camera.position.copy(between(this.turn.from, this.turn.to, eased));
      if (at >= 1) this.turn = null;
    }
    return this.controls.update() || this.turn !== null;
  }

  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    // a narrow window sees as much of Earth as a wide one
    const wide = 38;
    const narrow = (2 * Math.atan(Math.tan((wide * Math.PI) / 360) / this.camera.aspect) * 180) / Math.PI;
    this.camera.fov = this.camera.aspect >= 1 ? wide : Math.min(narrow, 75);
    this.camera.updateProjectionMatrix();
    this.changed();
  }

  /** So far that what is highest stays in the picture; called once it is known. */
  fit(highest: number): void {
    const needed = Math.max(FIRST_FROM.length(), 1.08 * highest / Math.sin((19 * Math.PI) / 180));
    this.farEnough = Math.min(needed, FURTHEST);
    this.camera.position.setLength(this.farEnough);
    this.changed();
  }

  /** Looks down at this place of the scene, from no further than now. */
  turnTo(place: Vector3): void {
    const far = Math.max(Math.min(this.camera.position.length(), this.farEnough), place.length() + 0.6);
    this.turn = { from: this.camera.position.clone(), to: place.clone().setLength(far), beganMs: performance.now() };
    this.changed();
  }

  home(): void {
    this.turn = {
      from: this.camera.position.clone(),
      to: FIRST_FROM.clone().setLength(this.farEnough),
      beganMs: performance.now(),
    };
    this.changed();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const at = this.camera.position;
    const z = new Vector3(0, 0, 1);
    switch (event.key) {
      case "ArrowLeft":
        at.applyAxisAngle(z, -KEY_RAD);
        break;
      case "ArrowRight":
        at.applyAxisAngle(z, KEY_RAD);
        break;
      case "ArrowUp":
        this.tilt(KEY_RAD);
        break;
      case "ArrowDown":
        this.tilt(-KEY_RAD);
        break;
      case "+":
      case "=":
        at.setLength(Math.max(1 + (at.length() - 1) / KEY_ZOOM, NEAREST));
        break;
      case "-":
        at.setLength(Math.min(1 + (at.length() - 1) * KEY_ZOOM, FURTHEST));
        break;
      case "Home":
        this.home();
        break;
      default:
        return;
    }
    event.preventDefault();
    this.turn = event.key === "Home" ? this.turn : null;
    this.changed();
  }

  private tilt(rad: number): void {
    const at = this.camera.position;
    const latitude = Math.asin(at.z / at.length());
    const next = Math.min(Math.max(latitude + rad, -1.5), 1.5);
    const side = new Vector3(-at.y, at.x, 0).normalize();
    at.applyAxisAngle(side, latitude - next);
  }
}

/** Along the ball, not through it. */
function between(from: Vector3, to: Vector3, at: number): Vector3 {
  const angle = from.angleTo(to);
  const length = from.length() + (to.length() - from.length()) * at;
  if (angle < 1e-4) return to.clone().setLength(length);
  const axis = new Vector3().crossVectors(from, to);
  if (axis.lengthSq() < 1e-12) axis.set(-from.y, from.x, 0);
  return from.clone().applyAxisAngle(axis.normalize(), angle * at).setLength(length);
}
