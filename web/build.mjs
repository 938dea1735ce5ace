// Builds the page into the Python package. `--check` compares with what is there instead.
// Everything that decides a byte of the output is pinned in package-lock.json.

import { build } from "esbuild";
import { readFile, readdir, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../python/pestle/server/page/assets");
const FIRST_LOAD_LIMIT = 200_000; // bytes, gzip

const built = await build({
  absWorkingDir: here,
  entryPoints: {
    page: "src/main.tsx",
    style: "src/style.css",
    "pdf-worker": "pdfjs-dist/build/pdf.worker.min.mjs",
  },
  outdir: target,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: ["chrome123", "firefox128", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  charset: "utf8",
  legalComments: "none", // all licences are in licences.txt
  metafile: true,
  write: false,
});

const files = new Map(built.outputFiles.map((file) => [relative(target, file.path), file.contents]));
const outputs = Object.entries(built.metafile.outputs);
const named = (path) => path.split(/[/\\]/).at(-1);
const entry = (source) => named(outputs.find(([, made]) => made.entryPoint?.endsWith(source))[0]);

const html = (await readFile(join(here, "index.html"), "utf8"))
  .replace("{script}", entry("main.tsx"))
  .replace("{style}", entry("style.css"))
  .replace("{worker}", entry("pdf.worker.min.mjs"));
files.set("index.html", Buffer.from(html));
files.set("icon.svg", await readFile(join(here, "icon.svg")));
files.set("licences.txt", Buffer.from(await licences()));

checkFirstLoad();
if (process.argv.includes("--check")) await compare();
else await write();

/** The licence of every package of which a byte is in the output. */
async function licences() {
  const inputs = Object.keys(built.metafile.inputs);
  const packages = inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  const texts = [];
  for (const name of [...new Set(packages)].filter(Boolean).sort()) {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    const text = file === undefined ? "" : await readFile(join(folder, file), "utf8");
    texts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return texts.join(`\n${"-".repeat(72)}\n\n`);
}

/** Fail if what the browser loads before anything is asked for has grown beyond its limit. */
function checkFirstLoad() {
  const first = new Set(["index.html", entry("style.css")]);
  const visit = (name) => {
    if (first.has(name)) return;
    first.add(name);
    const [, made] = outputs.find(([path]) => named(path) === name);
    for (const used of made.imports) if (used.kind === "import-statement") visit(named(used.path));
  };
  visit(entry("main.tsx"));
  const size = [...first].reduce((sum, name) => sum + gzipSync(files.get(name)).length, 0);
  console.log(`first load: ${(size / 1000).toFixed(1)} kB gzip in ${first.size} files`);
  if (size > FIRST_LOAD_LIMIT) throw new Error(`more than ${FIRST_LOAD_LIMIT / 1000} kB`);
}

async function compare() {
  const there = await readdir(target);
  const wrong = there.filter((name) => !files.has(name)).map((name) => `${name}: not built any more`);
  for (const [name, contents] of files) {
    const found = there.includes(name) ? await readFile(join(target, name)) : undefined;
    if (found === undefined) wrong.push(`${name}: missing`);
    else if (!found.equals(Buffer.from(contents))) wrong.push(`${name}: other bytes`);
  }
  if (wrong.length === 0) return;
  console.error(wrong.join("\n") + `\nnpm --prefix web run build writes ${relative(here, target)}`);
  process.exitCode = 1;
}

async function write() {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const [name, contents] of files) await writeFile(join(target, name.replaceAll(sep, "-")), contents);
}
