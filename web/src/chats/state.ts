/** The chats of this browser, and the one that is open. */

import { batch, computed, signal } from "@preact/signals";
import * as database from "./database";
import { type Chat, type Message, alternatives, branch, end, newId, subtree, titleOf } from "./tree";

export const chats = signal<readonly Chat[]>([]);
/** The chat that is shown; null: a new one, which nothing has been said in. */
export const open = signal<Chat | null>(null);
export const messages = signal<ReadonlyMap<string, Message>>(new Map());
export const shown = computed(() => branch(messages.value, open.value?.leaf ?? null));
/** Why chats cannot be kept, where they cannot. */
export const storageFailed = signal<string | null>(null);

export async function begin(): Promise<void> {
  database.onChange((id) => void heard(id));
  addEventListener("popstate", () => void openFromAddress());
  try {
    chats.value = newestFirst(await database.readChats());
  } catch (error) {
    storageFailed.value = error instanceof Error ? error.message : String(error);
  }
  await openFromAddress();
}

async function openFromAddress(): Promise<void> {
  await show(location.hash.slice(1) || null);
}

const newestFirst = (all: readonly Chat[]) => [...all].sort((a, b) => b.updated - a.updated);

let showing = 0;

/** Show a chat; null: a new one. */
export async function show(id: string | null): Promise<void> {
  const turn = ++showing;
  const chat = chats.value.find((each) => each.id === id) ?? null;
  const found = chat === null ? [] : await database.readMessages(chat.id);
  if (turn !== showing) return; // another one is wanted meanwhile
  batch(() => {
    open.value = chat;
    messages.value = new Map(found.map((message) => [message.id, message]));
  });
  const hash = chat === null ? "" : `#${chat.id}`;
  if (location.hash !== hash) history.pushState(null, "", hash || location.pathname);
}

/** Another tab has changed a chat. */
async function heard(id: string): Promise<void> {
  chats.value = newestFirst(await database.readChats());
  if (open.value?.id !== id) return;
  const chat = chats.value.find((each) => each.id === id);
  if (chat === undefined) return show(null);
  const found = await database.readMessages(id);
  // What this tab is writing is newer here than on the disk.
  const own = found.map((message) => (writing.has(message.id) ? messages.value.get(message.id)! : message));
  batch(() => {
    // Each tab shows the branch that it chose.
    open.value = { ...chat, leaf: open.value?.leaf ?? chat.leaf };
    messages.value = new Map(own.map((message) => [message.id, message]));
  });
}

/** Messages that this tab is writing. */
export const writing = new Set<string>();

/** Take `changed` over and keep it. The chat's place in the list is that of its last change. */
export async function update(chat: Chat, changed: readonly Message[] = []): Promise<void> {
  batch(() => {
    chats.value = newestFirst([chat, ...chats.value.filter((each) => each.id !== chat.id)]);
    if (open.value?.id === chat.id) {
      open.value = chat;
      if (changed.length > 0) {
        messages.value = new Map([...messages.value, ...changed.map((each) => [each.id, each] as const)]);
      }
    }
  });
  await kept(database.write(chat, changed));
}

/** Once it is written, or it is told that nothing can be written. */
async function kept(written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (error) {
    storageFailed.value = error instanceof Error ? error.message : String(error);
  }
}

/** The open chat, begun if there is none yet. */
export function opened(text: string): Chat {
  if (open.value !== null) return open.value;
  const now = Date.now();
  const chat: Chat = { id: newId(), title: titleOf(text), created: now, updated: now, leaf: null };
  batch(() => {
    open.value = chat;
    messages.value = new Map();
  });
  history.pushState(null, "", `#${chat.id}`);
  return chat;
}

/** A chat as it is now, wherever it is shown. */
export function current(id: string): Chat | undefined {
  return open.value?.id === id ? open.value : chats.value.find((each) => each.id === id);
}

export async function rename(chat: Chat, title: string): Promise<void> {
  await update({ ...chat, title: titleOf(title) });
}

/** What is shown as deleted is deleted: whoever leaves the page then does not find it again. */
export async function remove(chat: Chat): Promise<void> {
  await kept(database.removeChat(chat.id));
  chats.value = chats.value.filter((each) => each.id !== chat.id);
  if (open.value?.id === chat.id) await show(null);
}

/** Show the branch that goes through `message`. */
export async function follow(message: Message): Promise<void> {
  const chat = open.value;
  if (chat !== null) await update({ ...chat, leaf: end(messages.value, message) });
}

/** Delete a message and what follows it. Another branch is shown then, if there is one. */
export async function removeMessage(message: Message): Promise<void> {
  const chat = open.value;
  if (chat === null) return;
  const gone = new Set(subtree(messages.value, message).map((each) => each.id));
  const without = () => new Map([...messages.value].filter(([id]) => !gone.has(id)));
  const left = without();
  const other = alternatives(left, message).at(-1) ?? null;
  const leaf = other === null ? message.parent : end(left, other);
  const changed = { ...chat, leaf };
  await kept(database.removeMessages(changed, [...gone]));
  batch(() => {
    chats.value = newestFirst([changed, ...chats.value.filter((each) => each.id !== chat.id)]);
    if (open.value?.id !== chat.id) return; // another one is shown meanwhile
    messages.value = without();
    open.value = changed;
  });
}

/** Have a chat from outside among those of this browser. */
export async function take(chat: Chat, found: readonly Message[]): Promise<void> {
  await update(chat, found);
}

/** The chats that a text is in: in their titles or in what was said. */
export async function search(text: string, signal: AbortSignal): Promise<Set<string>> {
  const wanted = text.toLowerCase();
  const found = new Set<string>();
  for (const chat of chats.value) if (chat.title.toLowerCase().includes(wanted)) found.add(chat.id);
  for await (const message of database.everyMessage()) {
    if (signal.aborted) break;
    if (!found.has(message.chat) && message.content.toLowerCase().includes(wanted)) found.add(message.chat);
  }
  return found;
}
