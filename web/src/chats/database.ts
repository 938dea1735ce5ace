/** Chats in this browser: IndexedDB, and word to the other tabs of what has changed. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Chat, Message } from "./tree";

interface Schema extends DBSchema {
  chats: { key: string; value: Chat };
  messages: { key: string; value: Message; indexes: { chat: string } };
}

let opened: Promise<IDBPDatabase<Schema>> | undefined;
const tabs = new BroadcastChannel("pestle-chats");

function database(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>("pestle", 1, {
    upgrade(made) {
      made.createObjectStore("chats", { keyPath: "id" });
      made.createObjectStore("messages", { keyPath: "id" }).createIndex("chat", "chat");
    },
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    terminated: () => (opened = undefined),
  });
  return opened;
}

/** Hear which chat another tab has changed. */
export function onChange(heard: (chat: string) => void): void {
  tabs.addEventListener("message", (event: MessageEvent<string>) => heard(event.data));
}

export async function readChats(): Promise<Chat[]> {
  return (await database()).getAll("chats");
}

export async function readMessages(chat: string): Promise<Message[]> {
  return (await database()).getAllFromIndex("messages", "chat", chat);
}

/** Every message of every chat, one after the other, for searching. */
export async function* everyMessage(): AsyncGenerator<Message> {
  let last: string | undefined;
  for (;;) {
    // In portions: a transaction ends while its reader does something else.
    const range = last === undefined ? undefined : IDBKeyRange.lowerBound(last, true);
    const portion = await (await database()).getAll("messages", range, 500);
    yield* portion;
    last = portion.at(-1)?.id;
    if (last === undefined) return;
  }
}

export async function write(chat: Chat, messages: readonly Message[] = []): Promise<void> {
  const transaction = (await database()).transaction(["chats", "messages"], "readwrite");
  void transaction.objectStore("chats").put(chat);
  for (const message of messages) void transaction.objectStore("messages").put(message);
  await finish(transaction);
  tabs.postMessage(chat.id);
}

export async function removeMessages(chat: Chat, ids: readonly string[]): Promise<void> {
  const transaction = (await database()).transaction(["chats", "messages"], "readwrite");
  void transaction.objectStore("chats").put(chat);
  for (const id of ids) void transaction.objectStore("messages").delete(id);
  await finish(transaction);
  tabs.postMessage(chat.id);
}

export async function removeChat(id: string): Promise<void> {
  const transaction = (await database()).transaction(["chats", "messages"], "readwrite");
  void transaction.objectStore("chats").delete(id);
  const messages = transaction.objectStore("messages");
  for (const key of await messages.index("chat").getAllKeys(id)) void messages.delete(key);
  await finish(transaction);
  tabs.postMessage(id);
}

/** Commit at once: what still waits for its requests' answers is lost when the page is left. */
async function finish(transaction: { commit(): void; done: Promise<void> }): Promise<void> {
  transaction.commit();
  await transaction.done;
}
