/** The messages of the open chat, and the place where one begins. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { grown } from "../chats/answering";
import { open, shown } from "../chats/state";
import { models } from "../server/status";
import { Message } from "./message";
import { Welcome } from "./welcome";

const NEAR = 80; // pixels from the end within which the end is followed

export function Conversation() {
  const element = useRef<HTMLElement>(null);
  const following = useRef(true);
  const last = shown.value.at(-1)?.id;

  const toEnd = () => {
    const view = element.current;
    if (view !== null && following.current) view.scrollTop = view.scrollHeight;
  };
  // A question of one's own is followed, wherever one was reading.
  useEffect(() => {
    following.current = true;
    toEnd();
  }, [open.value?.id, last]);
  useSignalEffect(() => {
    grown.value;
    requestAnimationFrame(toEnd);
  });
  const inner = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watching = new ResizeObserver(toEnd);
    watching.observe(inner.current!);
    return () => watching.disconnect();
  }, []);

  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = element.current!;
    following.current = scrollHeight - scrollTop - clientHeight < NEAR;
  };
  return (
    <main ref={element} class="conversation" tabIndex={-1} aria-label="Conversation" onScroll={scrolled}>
      <div ref={inner}>
        {shown.value.length === 0 && models.value.length > 0 && <Welcome />}
        {shown.value.map((message) => <Message key={message.id} message={message} />)}
      </div>
    </main>
  );
}
