/** The page put together: the state, the wire, and each subject in its place. */

import "./layout/page.css";
import { mountGlobe } from "./globe/globe";
import { mountPage } from "./layout/page";
import { hasWebGl2, NO_WEBGL } from "./layout/webgl";
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
const page = mountPage(place("page"), mesh, wire, () => null);
if (hasWebGl2()) mountGlobe(page.globe, mesh, wire);
else page.withoutGlobe(NO_WEBGL);
wire.open();
