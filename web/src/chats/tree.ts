/** A chat as a tree: an edited question or another answer is a branch beside the first one. */

export type Role = "user" | "assistant" | "tool";

/** What ended an answer. */
export type Ending = "stop" | "length" | "tool_calls" | "stopped" | "error";

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

/** A file as text, as the model reads it. */
export interface Attachment {
  name: string;
  text: string;
}

export interface Message {
  id: string;
  chat: string;
  parent: string | null;
  role: Role;
  content: string;
  created: number; // ms since 1970
  files?: Attachment[];
  reasoning?: string;
  thoughtMs?: number; // how long it reasoned
  calls?: ToolCall[];
  callId?: string; // of a result: the call that it answers
  model?: string;
  ending?: Ending;
  error?: string;
  tokens?: number; // of the answer
  promptTokens?: number;
  firstMs?: number; // until its first piece
  writingMs?: number; // from its first piece to its last one
}

export interface Chat {
  id: string;
  title: string;
  created: number;
  updated: number;
  leaf: string | null; // the last message of the branch that is shown
  session?: string; // its name on the server's disk, once it was saved there
}

export type Messages = ReadonlyMap<string, Message>;

/** The messages from the first one to `leaf`. */
export function branch(messages: Messages, leaf: string | null): Message[] {
  const found: Message[] = [];
  const seen = new Set<string>(); // an imported file may hold a circle
  for (let id = leaf; id !== null && !seen.has(id); ) {
    const message = messages.get(id);
    if (message === undefined) break;
    seen.add(id);
    found.push(message);
    id = message.parent;
  }
  return found.reverse();
}

/** The messages that stand in the same place, the oldest first. */
export function alternatives(messages: Messages, message: Message): Message[] {
  return children(messages, message.parent, message.chat);
}

export function children(messages: Messages, parent: string | null, chat: string): Message[] {
  const found = [...messages.values()].filter((each) => each.parent === parent && each.chat === chat);
  return found.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The end of the branch that begins with `message`, where always the newest goes on. */
export function end(messages: Messages, message: Message): string {
  let last = message;
  for (let next: Message | undefined = last; next !== undefined; ) {
    last = next;
    next = children(messages, last.id, last.chat).at(-1);
  }
  return last.id;
}

/** `message` and all that follows it, on every branch. */
export function subtree(messages: Messages, message: Message): Message[] {
  const found = [message];
  for (const each of found) found.push(...children(messages, each.id, each.chat));
  return found;
}

/** A chat's name, as its first question gives it. */
export function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  const letters = [...line.replace(/\s+/g, " ")];
  if (letters.length === 0) return "New chat";
  return letters.length <= 60 ? letters.join("") : letters.slice(0, 59).join("") + "…";
}

/** An identifier that no other chat or message has. `crypto.randomUUID` needs a secure context. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
