// The page as it is served: one script, one sheet of styles, each beside its compressed forms.
//
//   node build.mjs        needs node_modules (npm ci) and, for the wire's types, $PYTHON with grpcio-tools
//
// build.py calls this, and finds a Node where there is none on PATH.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const PAGE = dirname(fileURLToPath(import.meta.url));
const PROTO = join(PAGE, "../../../proto/orbitmesh/web/v1");
const MADE = join(PAGE, `.dist-${process.pid}`);
const DIST = join(PAGE, "dist");
/** What a reader on a slow line would wait for. */
const MOST_COMPRESSED_BYTES = 1_500_000;

/** src/wire/web_pb.ts, from the description that the server's Python is made from too. */
function wireTypes() {
  execFileSync(
    process.env.PYTHON ?? "python3",
    [
      "-m", "grpc_tools.protoc", `-I${PROTO}`,
      `--plugin=protoc-gen-es=${join(PAGE, "node_modules/.bin/protoc-gen-es")}`,
      `--es_out=${join(PAGE, "src/wire")}`, "--es_opt=target=ts,ts_nocheck=true", "web.proto",
    ],
    { stdio: "inherit" },
  );
}

async function bundle() {
  const made = await build({
    absWorkingDir: PAGE,
    entryPoints: { page: "src/main.ts" },
    outdir: MADE,
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true, // what draws the globe comes once the page is on the screen
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "linked",
    metafile: true,
    logLevel: "warning",
    loader: { ".svg": "dataurl", ".woff2": "file" },
  });
  return Object.keys(made.metafile.outputs).map((path) => relative(MADE, join(PAGE, path)));
}

/** index.html names page.js and page.css: put what they are called now in their place. */
function indexOf(names) {
  let html = readFileSync(join(PAGE, "index.html"), "utf8");
  for (const extension of ["js", "css"]) {
    const name = names.find((each) => each.startsWith("page-") && each.endsWith(`.${extension}`));
    if (name === undefined) throw new Error(`esbuild made no page-….${extension} of src/main.ts`);
    if (!html.includes(`"page.${extension}"`)) throw new Error(`index.html does not name "page.${extension}"`);
    html = html.replace(`"page.${extension}"`, `"${name}"`);
  }
  // all parts are fetched at once, each compiled beside the others
  const parts = names.filter((each) => each.endsWith(".js") && !each.startsWith("page-"));
  const links = parts.map((each) => `    <link rel="modulepreload" href="${each}" />\n`);
  html = html.replace("  </head>", `${links.join("")}  </head>`);
  writeFileSync(join(MADE, "index.html"), html);
}

/** Sizes in bytes: [as it is, gzip, brotli] of each file that is asked for. */
function compress() {
  const sizes = {};
  for (const name of readdirSync(MADE).filter((each) => /\.(js|css|html|svg)$/.test(each))) {
    const whole = readFileSync(join(MADE, name));
    const gz = gzipSync(whole, { level: 9 });
    const br = brotliCompressSync(whole, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: whole.length } });
    writeFileSync(join(MADE, `${name}.gz`), gz);
    writeFileSync(join(MADE, `${name}.br`), br);
    sizes[name] = [whole.length, gz.length, br.length];
  }
  return sizes;
}

wireTypes();
rmSync(MADE, { recursive: true, force: true });
mkdirSync(MADE);
try {
  indexOf(await bundle());
  const sizes = compress();
  for (const [name, [whole, gz, br]] of Object.entries(sizes)) {
    console.log(`${name}: ${whole} bytes, ${gz} by gzip, ${br} by brotli`);
  }
  const all = Object.values(sizes).reduce((sum, [, gz]) => sum + gz, 0);
  console.log(`together ${all} bytes by gzip`);
  if (all > MOST_COMPRESSED_BYTES) {
    throw new Error(`the page is ${all} bytes compressed, over ${MOST_COMPRESSED_BYTES}: see what is imported`);
  }
  // who serves the old one meanwhile finds one or the other
  rmSync(DIST, { recursive: true, force: true });
  renameSync(MADE, DIST);
} finally {
  rmSync(MADE, { recursive: true, force: true });
}
