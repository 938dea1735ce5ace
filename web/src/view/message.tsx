/** One message: what was said, thought or called, and what can be done with it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Live, askInstead, giveResult, grown, live, regenerate } from "../chats/answering";
import { follow, messages, removeMessage, shown } from "../chats/state";
import { type Message as Said, type ToolCall, alternatives } from "../chats/tree";
import { copy } from "../copy";
import { Markdown } from "../markdown/view";
import { IconButton } from "./icons";
import { notify, telling } from "./notices";
import { count, duration, rate } from "./units";

export function Message({ message }: { message: Said }) {
  if (message.role === "user") return <Question message={message} />;
  if (message.role === "tool") return <Result message={message} />;
  return <Answer message={message} />;
}

function Question({ message }: { message: Said }) {
  const [editing, setEditing] = useState(false);
  const busy = live.value.has(message.chat);
  return (
    <article class="message question" aria-label="You">
      {message.files?.map((file) => (
        <details class="file" key={file.name}>
          <summary>{file.name} <small>{count(file.text.length)} characters</small></summary>
          <pre tabIndex={0}>{file.text.slice(0, 20_000)}{file.text.length > 20_000 && "\n…"}</pre>
        </details>
      ))}
      {editing ? (
        <Editor message={message} done={() => setEditing(false)} />
      ) : (
        <div class="said">{message.content}</div>
      )}
      <div class="actions">
        <Branches message={message} />
        <IconButton icon="copy" label="Copy the question" onClick={() => void copied(message.content)} />
        <IconButton icon="edit" label="Edit the question" disabled={busy} onClick={() => setEditing(true)} />
        <IconButton icon="delete" label="Delete from here" disabled={busy} onClick={() => void telling(removeMessage(message))} />
      </div>
    </article>
  );
}

function Editor({ message, done }: { message: Said; done: () => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const { length } = message.content;
    field.current!.focus();
    field.current!.setSelectionRange(length, length);
  }, []);
  const send = () => {
    const text = field.current!.value.trim();
    if (text === "" && message.files === undefined) return;
    done();
    void telling(askInstead(message, text));
  };
  return (
    <div class="editor">
      <textarea
        ref={field}
        aria-label="Edit the question"
        defaultValue={message.content}
        rows={Math.min(12, message.content.split("\n").length + 1)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            send();
          }
          if (event.key === "Escape") {
            event.stopPropagation();
            done();
          }
        }}
      />
      <div class="row">
        <button type="button" class="primary" onClick={send}>Ask again</button>
        <button type="button" onClick={done}>Cancel</button>
      </div>
    </div>
  );
}

function Answer({ message: kept }: { message: Said }) {
  const now = live.value.get(kept.chat);
  const growing = now?.message.id === kept.id;
  const message = growing ? now.message : kept;
  return (
    <article class="message answer" aria-label={message.model ?? "Answer"} aria-busy={growing}>
      {growing && <Progress now={now} />}
      <Reasoning message={message} growing={growing} />
      <Markdown text={() => message.content} growing={growing} />
      <Calls message={message} growing={growing} />
      {!growing && <Outcome message={message} />}
      {!growing && <AnswerActions message={message} />}
    </article>
  );
}

/** What goes on until the first piece is there. */
function Progress({ now }: { now: Live }) {
  grown.value;
  const { content, reasoning, calls } = now.message;
  if (content !== "" || reasoning !== undefined || calls !== undefined) return null;
  const reading = /reading the prompt, (\d+) of (\d+)/.exec(now.waiting);
  return (
    <div class="progress" role="status">
      <span class="pulse" aria-hidden="true" />
      {reading ? (
        <>
          <label>
            Reading {count(Number(reading[2]))} tokens{" "}
            <progress max={reading[2]} value={reading[1]} />
          </label>
        </>
      ) : (
        <span>{sentence(now.waiting)}</span>
      )}
    </div>
  );
}

function sentence(waiting: string): string {
  if (waiting === "" || waiting === "still at it") return "Reading…";
  return waiting.charAt(0).toUpperCase() + waiting.slice(1);
}

function Reasoning({ message, growing }: { message: Said; growing: boolean }) {
  if (growing) grown.value;
  if (!message.reasoning) return null;
  const thinking = growing && message.thoughtMs === undefined;
  return (
    <details class="reasoning">
      <summary>
        {thinking ? `Thinking, ${duration(message.writingMs ?? 0)}` : `Thought for ${duration(message.thoughtMs ?? 0)}`}
      </summary>
      <Markdown text={() => message.reasoning ?? ""} growing={thinking} />
    </details>
  );
}

function Calls({ message, growing }: { message: Said; growing: boolean }) {
  if (growing) grown.value;
  return (
    <>
      {message.calls?.map((call) => <Call key={call.id} call={call} message={message} growing={growing} />)}
    </>
  );
}

function Call({ call, message, growing }: { call: ToolCall; message: Said; growing: boolean }) {
  const answered = shown.value.some((each) => each.callId === call.id);
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <section class="call" aria-label={`Call of ${call.name}`}>
      <div>The model calls <code>{call.name}</code> with</div>
      <pre tabIndex={0}>{pretty(call.arguments)}</pre>
      {!growing && !answered && (
        <details>
          <summary>Give the result</summary>
          <textarea ref={field} aria-label={`Result of ${call.name}`} rows={3} />
          <button type="button" class="primary" onClick={() => void telling(giveResult(message, call.id, field.current!.value))}>
            Go on with this result
          </button>
        </details>
      )}
    </section>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // not complete yet
  }
}

function Result({ message }: { message: Said }) {
  return (
    <article class="message result" aria-label="Result of a tool">
      <div>Result</div>
      <pre tabIndex={0}>{message.content}</pre>
    </article>
  );
}

/** How an answer ended, where that is not by itself, and what it took. */
function Outcome({ message }: { message: Said }) {
  const { ending, error, tokens, firstMs, writingMs, model } = message;
  const speed = tokens !== undefined && writingMs ? ((tokens - 1) / writingMs) * 1000 : null;
  const facts = [
    model,
    tokens !== undefined && `${count(tokens)} tokens`,
    speed !== null && speed > 0 && Number.isFinite(speed) && rate(speed),
    firstMs !== undefined && `first word after ${duration(firstMs)}`,
  ].filter(Boolean);
  return (
    <>
      {ending === "length" && <p class="ending">The answer has reached the greatest length that the settings allow.</p>}
      {ending === "stopped" && <p class="ending">Stopped.</p>}
      {ending === undefined && <p class="ending">This answer is not complete: the page was left, or another tab is writing it.</p>}
      {ending === "error" && (
        <p class="ending failed" role="alert">{error} <button type="button" onClick={() => void telling(regenerate(message))}>Try again</button></p>
      )}
      <p class="facts">{facts.join(" · ")}</p>
    </>
  );
}

function AnswerActions({ message }: { message: Said }) {
  const busy = live.value.has(message.chat);
  return (
    <div class="actions">
      <Branches message={message} />
      <IconButton icon="copy" label="Copy the answer" onClick={() => void copied(message.content)} />
      <IconButton icon="redo" label="Another answer" disabled={busy} onClick={() => void telling(regenerate(message))} />
      <IconButton icon="delete" label="Delete from here" disabled={busy} onClick={() => void telling(removeMessage(message))} />
    </div>
  );
}

async function copied(text: string): Promise<void> {
  const done = await copy(text);
  notify(done ? "Copied." : "The browser does not let this page copy.", !done);
}

/** From one alternative to the next. */
function Branches({ message }: { message: Said }) {
  const all = alternatives(messages.value, message);
  if (all.length < 2) return null;
  const at = all.findIndex((each) => each.id === message.id);
  const go = (to: number) => void telling(follow(all[to]!));
  return (
    <span class="branches" role="group" aria-label="Versions">
      <IconButton icon="previous" label="Previous version" disabled={at === 0} onClick={() => go(at - 1)} />
      <span aria-label={`Version ${at + 1} of ${all.length}`} role="img">{at + 1}/{all.length}</span>
      <IconButton icon="next" label="Next version" disabled={at === all.length - 1} onClick={() => go(at + 1)} />
    </span>
  );
}
