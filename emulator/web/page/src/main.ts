/** The page put together: the state, the wire, and each subject in its place. */

import "./layout/page.css";
import { mountGlobe, NO_WEBGL } from "./globe/globe";
import type { Globe } from "./globe/handle";
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
let globe: Globe | null = null;
const page = mountPage(place("page"), mesh, wire, () => globe?.legends() ?? null);
globe = mountGlobe(page.globe, mesh, wire);
if (globe === null) page.withoutGlobe(NO_WEBGL);
wire.open();
