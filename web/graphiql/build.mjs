// Bundles GraphiQL into the directory given as the only argument. Everything the page loads ends up there:
// the CSP of the page allows nothing else, so a forgotten file shows as a broken page, never as a request elsewhere.
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { build } from "esbuild";

const out = process.argv[2];
if (!out) throw new Error("Usage: node build.mjs OUTPUT_DIRECTORY");

const common = {
  outdir: out,
  bundle: true,
  minify: true,
  target: "es2022",
  logLevel: "warning",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
};

await Promise.all([
  build({
    ...common,
    entryPoints: { main: "src/main.jsx" },
    format: "esm",
    splitting: true,
    jsx: "automatic",
    chunkNames: "chunk-[hash]",
    // Monaco's modules import their styles one by one; graphiql/style.css already contains them all.
    loader: { ".css": "empty" },
  }),
  build({
    ...common,
    entryPoints: {
      "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
      "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
      "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
    },
    format: "iife",
  }),
  build({ ...common, entryPoints: { main: "src/main.css" } }),
]);
await cp("page.html", path.join(out, "page.html"));

// Compressed once here, so that serving a few megabytes never costs the event loop a compression.
const compress = promisify(gzip);
for (const name of await readdir(out)) {
  const file = path.join(out, name);
  await writeFile(`${file}.gz`, await compress(await readFile(file), { level: 9 }));
}
