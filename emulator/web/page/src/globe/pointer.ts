/** Mouse and fingers on the globe: a click or a tap picks, a resting mouse is told what is under it. */

import type { Picked } from "../state/mesh";

const MOUSE_REACH_PX = 9;
const FINGER_REACH_PX = 22;
/** Further than that it was a turn of the globe, not a click. */
const STILL_PX = 5;

export function hearPointer(
  canvas: HTMLElement,
  at: (xPx: number, yPx: number, reachPx: number) => Picked,
  picked: (what: Picked) => void,
  hovered: (what: Picked, xPx: number, yPx: number) => void,
): void {
  let down: { x: number; y: number } | null = null;
  let waiting = false;
  let last: MouseEvent | null = null;
  const place = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    down = event.isPrimary ? { x: event.clientX, y: event.clientY } : null;
    hovered({ kind: "nothing" }, 0, 0);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (down === null || Math.hypot(event.clientX - down.x, event.clientY - down.y) > STILL_PX) return;
    down = null;
    picked(at(...place(event), event.pointerType === "mouse" ? MOUSE_REACH_PX : FINGER_REACH_PX));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || event.buttons !== 0) return;
    last = event;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (last !== null) hovered(at(...place(last), MOUSE_REACH_PX), ...place(last));
    });
  });
  canvas.addEventListener("pointerleave", () => {
    last = null;
    hovered({ kind: "nothing" }, 0, 0);
  });
}
