/** Colours for code. Common languages are here at once, others are loaded when one is met. */

import core from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import shell from "highlight.js/lib/languages/shell";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { signal } from "@preact/signals";

const MOST = 32_000; // characters; beyond, colours cost more than they help

const common = {
  bash, c, cpp, csharp, css, diff, go, ini, java, javascript, json, markdown, php, python, ruby,
  rust, shell, sql, typescript, xml, yaml,
};
for (const [name, language] of Object.entries(common)) core.registerLanguage(name, language);

/** Changes when further languages are known. */
export const languages = signal(0);
let rarer: Promise<void> | undefined;

/** HTML of `code` in colours; "" leaves it as it is. `name` as the fence has it. */
export function highlighted(code: string, name: string): string {
  if (name === "" || code.length > MOST) return "";
  if (core.getLanguage(name) === undefined) {
    rarer ??= import("./rarer-languages").then(({ register }) => {
      register(core);
      languages.value++;
    }, () => (rarer = undefined));
    return "";
  }
  return core.highlight(code, { language: name, ignoreIllegals: true }).value;
}
