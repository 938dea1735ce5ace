/** Markdown as models write it. HTML in it is text, images are links, and links are checked. */

import MarkdownIt from "markdown-it";
import { highlighted } from "./highlight";
import { mathematics } from "./mathematics";

export const parser = new MarkdownIt({ html: false, linkify: true, breaks: false, highlight: highlighted });

parser.use(mathematics);
// Only what a reader recognizes as an address: "e.g.it" is none.
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
parser.validateLink = (url) => /^(?:https?:|mailto:)/i.test(url.trim());

// An image would tell whoever serves it that, and from where, it was looked at.
parser.renderer.rules["image"] = (tokens, index) => {
  const { attrs, content } = tokens[index]!;
  const source = String(attrs?.find(([name]) => name === "src")?.[1] ?? "");
  const { escapeHtml } = parser.utils;
  return `<a class="image" href="${escapeHtml(source)}">Image: ${escapeHtml(content || source)}</a>`;
};

// Columns are aligned by class: inline styles are not let through.
for (const rule of ["th_open", "td_open"]) {
  parser.renderer.rules[rule] = (tokens, index, options, _env, renderer) => {
    const token = tokens[index]!;
    const aligned = /text-align:(left|right|center)/.exec(String(token.attrGet("style") ?? ""))?.[1];
    token.attrs = aligned === undefined ? null : [["class", aligned]];
    return renderer.renderToken(tokens, index, options);
  };
}
