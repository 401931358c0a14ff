/** The page put together: the state, the wire, and each subject in its place. */

import "./layout/page.css";
import "./globe/globe.css";
import { painted } from "./layout/painted";
import { mountPage } from "./layout/page";
import { Mesh } from "./state/mesh";
import { takeToken } from "./wire/token";
import { Wire } from "./wire/socket";

function place(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element #${id}`);
  return element;
}

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const mesh = new Mesh();
const wire = new Wire(`${scheme}//${location.host}/ws`, takeToken(), mesh);
const page = mountPage(place("page"), mesh, wire);
wire.open();

// all else is on the screen first: a browser that draws by the processor stands still for a second as WebGL begins
await painted();
try {
  const { mountGlobe, NO_WEBGL } = await import("./globe/globe");
  if (mountGlobe(page.globe, mesh, wire) === null) page.withoutGlobe(NO_WEBGL);
} catch (error) {
  page.withoutGlobe("The globe could not be loaded, so the table stands for it: reload the page to try again.");
  throw error;
}
