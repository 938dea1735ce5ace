/** An answer's text on the page. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { grown } from "../chats/answering";
import { GrowingMarkdown } from "./growing";
import { languages } from "./highlight";

const QUICK_MS = 8; // a drawing that takes less may be done whenever there is something new
const SHARE = 0.12; // of a core that drawing may take

/** `text` gives the text as it is now; while `growing`, it is looked at again and again. */
export function Markdown({ text, growing }: { text: () => string; growing: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  const content = useRef<GrowingMarkdown | null>(null);
  const source = useRef(text);
  source.current = text;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const took = useRef(0);

  const draw = () => {
    timer.current = undefined;
    const begun = performance.now();
    content.current ??= new GrowingMarkdown(element.current!);
    content.current.show(source.current());
    took.current = performance.now() - begun;
  };

  useEffect(() => {
    clearTimeout(timer.current);
    draw();
    return () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [growing, growing ? null : text()]);

  useSignalEffect(() => {
    languages.value;
    if (!growing) {
      if (content.current !== null) draw();
      return;
    }
    grown.value;
    timer.current ??= setTimeout(draw, took.current > QUICK_MS ? took.current / SHARE : 0);
  });

  return <div class="markdown" ref={element} />;
}
