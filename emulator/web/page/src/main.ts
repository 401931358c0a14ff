/** The page put together: the state, the wire, and each subject in its place. */

import "./layout/page.css";
import { mountGlobe } from "./globe/globe";
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
mountGlobe(place("globe"), mesh, wire);
wire.open();
