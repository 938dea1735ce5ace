/** Markdown that grows at its end: only its last block is read and drawn again. */

import type { Env } from "markdown-it";
import { clean } from "./clean";
import { finish } from "./finish";
import { languages } from "./highlight";
import { draw } from "./mathematics";
import { parser } from "./parser";

type Tokens = ReturnType<typeof parser.parse>;

// Beyond these, text is shown as it is: reading and drawing more would hold up the page.
const MOST_OF_BLOCK = 40_000; // characters
const MOST_OF_TEXT = 250_000;
const PLAIN_PIECE = 8_000;

interface Block {
  tokens: Tokens;
  begin: number; // in the text that was parsed
}

/** Keeps the children of `element` those of a text that only grows. */
export class GrowingMarkdown {
  private text = "";
  /** Where the last block begins, which may still change. */
  private tail = 0;
  private last: HTMLElement[] = [];
  /** Where the plain part begins, once there is one. */
  private plain: number | null = null;
  private env: Env = {};
  private languages = languages.peek();

  constructor(private readonly element: HTMLElement) {}

  /** Show `text`. */
  show(text: string): void {
    const grows = text.startsWith(this.text) && this.languages === languages.peek();
    if (grows && text.length === this.text.length) return;
    if (!grows) this.reset();
    this.text = text;
    if (this.plain === null) this.growMarkdown();
    if (this.plain !== null) this.growPlain(this.plain);
  }

  private reset(): void {
    this.element.replaceChildren();
    this.languages = languages.peek();
    this.tail = 0;
    this.last = [];
    this.plain = null;
    this.env = {};
  }

  private growMarkdown(): void {
    let end = this.text.length;
    if (end > MOST_OF_TEXT) {
      end = Math.max(this.tail, this.text.lastIndexOf("\n", MOST_OF_TEXT) + 1);
      this.plain = end;
    }
    const rest = this.text.slice(this.tail, end);
    const blocks = blocksOf(rest, this.env);
    const large = blocks.findIndex(({ begin }, n) => (blocks[n + 1]?.begin ?? rest.length) - begin > MOST_OF_BLOCK);
    if (large >= 0) this.plain = this.tail + blocks.splice(large)[0]!.begin;
    const last = this.plain === null ? blocks.pop() : undefined;
    for (const each of this.last) each.remove();
    this.element.append(...this.drawn(blocks.flatMap((block) => block.tokens)));
    this.last = this.drawn(last?.tokens ?? []);
    this.element.append(...this.last);
    if (last !== undefined) this.tail += last.begin;
  }

  private drawn(tokens: Tokens): HTMLElement[] {
    if (tokens.length === 0) return [];
    const part = clean(parser.renderer.render(tokens, parser.options, this.env));
    finish(part);
    draw(part);
    return [...part.children] as HTMLElement[];
  }

  /** Add what is new to the plain part, piece by piece, so that what is there stays as it is. */
  private growPlain(begin: number): void {
    const pieces = [...this.element.querySelectorAll(":scope > .plain")];
    let last = pieces.at(-1);
    let at = begin + pieces.reduce((sum, each) => sum + length(each), 0);
    while (at < this.text.length) {
      if (last === undefined || length(last) >= PLAIN_PIECE) {
        last = document.createElement("div");
        last.className = "plain";
        this.element.append(last);
      }
      // Whole lines, but for one that is longer than a piece: a piece is a block of its own.
      const most = Math.min(this.text.length, at + Math.max(PLAIN_PIECE - length(last), 1));
      const lineEnd = this.text.indexOf("\n", most - 1) + 1;
      const end = lineEnd > 0 && lineEnd - at < 2 * PLAIN_PIECE ? lineEnd : most;
      last.append(this.text.slice(at, end));
      at = end;
    }
  }
}

const length = (element: Element): number => element.textContent?.length ?? 0;

/** The blocks of the outermost level. */
function blocksOf(text: string, env: Env): Block[] {
  const lines = lineStarts(text);
  const blocks: Block[] = [];
  for (const token of parser.parse(text, env)) {
    if (token.level === 0 && token.nesting >= 0) {
      blocks.push({ tokens: [], begin: lines[token.map?.[0] ?? 0] ?? 0 });
    }
    blocks.at(-1)?.tokens.push(token);
  }
  return blocks;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
