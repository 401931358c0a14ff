/** When a panel is drawn again: after its topics are told, once for many, and not more often than it needs. */

import type { Mesh, Topic } from "../state/mesh";

/** Draws now, and after any of the topics, at most every `everyMs`; the function that is given back asks for it too. */
export function redrawOn(mesh: Mesh, topics: readonly Topic[], draw: () => void, everyMs = 0): () => void {
  let waits = false;
  let drawnMs = -Infinity;
  const now = () => {
    waits = false;
    drawnMs = performance.now();
    draw();
  };
  const ask = () => {
    if (waits) return;
    waits = true;
    const rest = drawnMs + everyMs - performance.now();
    if (rest > 0) setTimeout(() => requestAnimationFrame(now), rest);
    else requestAnimationFrame(now);
  };
  for (const topic of topics) mesh.on(topic, ask);
  now();
  return ask;
}
