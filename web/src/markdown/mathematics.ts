/** TeX between `$`, `$$`, `\(` and `\[`, as pandoc and models have it; drawn as MathML. */

import type { MarkdownIt } from "markdown-it";
import { cleanMathematics } from "./clean";

type Temml = typeof import("temml");
const MOST = 10_000; // characters of one formula

export function mathematics(parser: MarkdownIt): void {
  parser.inline.ruler.before("escape", "mathematics", (state, silent) => {
    const found = inlineFormula(state.src, state.pos, state.posMax);
    if (found === null) return false;
    if (!silent) state.push("mathematics", "", 0).content = found.tex;
    state.pos = found.end;
    return true;
  });
  parser.block.ruler.before(
    "fence",
    "mathematics_block",
    (state, startLine, endLine, silent) => {
      const begin = state.bMarks[startLine]! + state.tShift[startLine]!;
      const open = state.src.slice(begin, begin + 2);
      if (open !== "$$" && open !== "\\[") return false;
      const close = open === "$$" ? "$$" : "\\]";
      let line = startLine;
      let last = state.src.slice(begin + 2, state.eMarks[line]!).trimEnd();
      const tex: string[] = [];
      while (!last.endsWith(close)) {
        tex.push(last);
        if (++line >= endLine) return false; // it is not closed, or not yet
        last = state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line]!).trimEnd();
      }
      if (silent) return true;
      tex.push(last.slice(0, -close.length));
      const token = state.push("mathematics_block", "", 0);
      token.content = tex.join("\n").trim();
      token.block = true;
      token.map = [startLine, line + 1];
      state.line = line + 1;
      return true;
    },
    { alt: ["paragraph", "reference", "blockquote", "list"] },
  );
  const { escapeHtml } = parser.utils;
  parser.renderer.rules["mathematics"] = (tokens, index) =>
    `<span class="math">${escapeHtml(tokens[index]!.content)}</span>`;
  parser.renderer.rules["mathematics_block"] = (tokens, index) =>
    `<div class="math">${escapeHtml(tokens[index]!.content)}</div>\n`;
}

function inlineFormula(text: string, at: number, end: number): { tex: string; end: number } | null {
  const begins = text.slice(at, at + 2);
  if (begins === "\\(" || begins === "\\[") {
    const close = text.indexOf(begins === "\\(" ? "\\)" : "\\]", at + 2);
    return close < 0 || close + 2 > end ? null : { tex: text.slice(at + 2, close), end: close + 2 };
  }
  if (begins.charAt(0) !== "$") return null;
  const marks = begins === "$$" ? "$$" : "$";
  const from = at + marks.length;
  // "$5 and $6" is money: a formula begins and ends without a space, and no digit follows it.
  if (marks === "$" && /\s/.test(text.charAt(from))) return null;
  for (let close = from; (close = text.indexOf(marks, close)) >= 0 && close + marks.length <= end; close++) {
    if (text.charAt(close - 1) === "\\" || close === from) continue;
    if (marks === "$" && (/\s/.test(text.charAt(close - 1)) || /\d/.test(text.charAt(close + 1)))) continue;
    return { tex: text.slice(from, close), end: close + marks.length };
  }
  return null;
}

let temml: Temml["default"] | undefined;
let loading: Promise<unknown> | undefined;

/** Draw the formulas in `part`; their source stands there until the renderer is loaded. */
export function draw(part: ParentNode): void {
  const formulas = [...part.querySelectorAll<HTMLElement>(".math")];
  if (formulas.length === 0) return;
  if (temml === undefined) {
    loading ??= import("temml").then((loaded) => (temml = loaded.default), () => (loading = undefined));
    void loading.then(() => temml !== undefined && formulas.forEach(drawOne));
  } else formulas.forEach(drawOne);
}

function drawOne(formula: HTMLElement): void {
  const tex = formula.textContent ?? "";
  if (tex.length > MOST) return;
  try {
    const displayMode = formula.tagName === "DIV";
    const drawn = temml!.renderToString(tex, { displayMode, throwOnError: true, trust: false, maxExpand: 200 });
    formula.replaceChildren(cleanMathematics(drawn));
    formula.classList.add("drawn");
  } catch {
    formula.title = "This formula is not valid TeX.";
  }
}
