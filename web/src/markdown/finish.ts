/** What is added to cleaned elements by hand: where links go, and a head for code. */

import { copy } from "../copy";

export function finish(part: DocumentFragment): void {
  for (const link of part.querySelectorAll("a")) {
    const href = link.getAttribute("href");
    if (href === null) {
      link.replaceWith(...link.childNodes);
      continue;
    }
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.title = href; // where it goes, whatever its text says
  }
  for (const table of part.querySelectorAll("table")) scrolling(table, "Table");
  for (const block of part.querySelectorAll<HTMLElement>("pre")) headed(block);
}

function headed(block: HTMLElement): void {
  const code = block.querySelector("code");
  const language = /\blanguage-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
  const frame = document.createElement("div");
  frame.className = "code";
  const head = document.createElement("div");
  head.className = "code-head";
  const name = document.createElement("span");
  name.textContent = language;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.ariaLabel = `Copy ${language || "the"} code`;
  button.addEventListener("click", () => {
    void copy(block.textContent ?? "").then((done) => {
      button.textContent = done ? "Copied" : "Failed";
      setTimeout(() => (button.textContent = "Copy"), 1_500);
    });
  });
  head.append(name, button);
  block.replaceWith(frame);
  block.tabIndex = 0; // so that the keyboard can scroll it
  block.setAttribute("role", "region");
  block.ariaLabel = `${language || "Code"} block`;
  frame.append(head, block);
}

function scrolling(table: HTMLElement, label: string): void {
  const frame = document.createElement("div");
  frame.className = "table";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.ariaLabel = label;
  table.replaceWith(frame);
  frame.append(table);
}
