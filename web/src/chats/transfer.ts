/** Chats to files and back: JSON with every branch, Markdown with the one that is shown. */

import * as database from "./database";
import { take } from "./state";
import { type Chat, type Message, type Role, type ToolCall, branch, newId, titleOf } from "./tree";

const FORMAT = "pestle-chats";
const VERSION = 1;
const MOST_BYTES = 200_000_000;

export async function toJson(chats: readonly Chat[]): Promise<string> {
  const all = await Promise.all(
    chats.map(async (chat) => ({ ...chat, messages: await database.readMessages(chat.id) })),
  );
  return JSON.stringify({ format: FORMAT, version: VERSION, chats: all }, null, 1);
}

export function toMarkdown(chat: Chat, messages: ReadonlyMap<string, Message>): string {
  const parts = [`# ${chat.title}`];
  for (const message of branch(messages, chat.leaf)) {
    parts.push(`## ${heading(message)}`);
    for (const file of message.files ?? []) parts.push(`File ${file.name}:\n\n${fenced(file.text)}`);
    if (message.reasoning) parts.push(message.reasoning.trim().replace(/^/gm, "> "));
    if (message.content) parts.push(message.content.trim());
    for (const call of message.calls ?? []) parts.push(`Call of \`${call.name}\`:\n\n${fenced(call.arguments)}`);
  }
  return parts.join("\n\n") + "\n";
}

/** A block of code around `text`, whatever fences the text itself has. */
export function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([marks]) => marks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}

function heading(message: Message): string {
  if (message.role === "user") return "You";
  if (message.role === "tool") return "Result of a tool";
  return message.model ?? "Assistant";
}

/** Take chats over from JSON that `toJson` wrote; returns how many. Raises Error. */
export async function fromJson(text: string): Promise<number> {
  if (text.length > MOST_BYTES) throw new Error("the file is larger than 200 MB");
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error("the file is not JSON");
  }
  const { format, version, chats } = record(found, "the file");
  if (format !== FORMAT) throw new Error(`the file does not hold chats: format is not "${FORMAT}"`);
  if (version !== VERSION) throw new Error(`the file has version ${version}, expected ${VERSION}`);
  const all = list(chats, "chats").map(readChat);
  for (const [chat, messages] of all) await take(chat, messages);
  return all.length;
}

/** A chat with identifiers of its own, so that one that is there already is not overwritten. */
function readChat(value: unknown, index: number): [Chat, Message[]] {
  const where = `chats[${index}]`;
  const given = record(value, where);
  const chat = newId();
  const ids = new Map<string, string>();
  const raw = list(given["messages"], `${where}.messages`).map((each, n) =>
    record(each, `${where}.messages[${n}]`),
  );
  raw.forEach((each, n) => ids.set(text(each["id"], `${where}.messages[${n}].id`), newId()));
  const messages = raw.map((each, n) => readMessage(each, `${where}.messages[${n}]`, chat, ids));
  const leaf = typeof given["leaf"] === "string" ? (ids.get(given["leaf"]) ?? null) : null;
  const title = titleOf(text(given["title"], `${where}.title`));
  const now = Date.now();
  return [{ id: chat, title, created: time(given["created"], now), updated: now, leaf }, messages];
}

const ROLES: readonly string[] = ["user", "assistant", "tool"];
const NUMBERS = ["thoughtMs", "tokens", "promptTokens", "firstMs", "writingMs"] as const;
const TEXTS = ["reasoning", "model", "callId", "error"] as const;

function readMessage(
  each: Record<string, unknown>, where: string, chat: string, ids: Map<string, string>,
): Message {
  const role = text(each["role"], `${where}.role`);
  if (!ROLES.includes(role)) throw new Error(`${where}.role is ${role}, expected ${ROLES.join(", ")}`);
  const parent = each["parent"] === null ? null : ids.get(text(each["parent"], `${where}.parent`));
  if (parent === undefined) throw new Error(`${where}.parent is not in the file`);
  const message: Message = {
    id: ids.get(each["id"] as string)!,
    chat,
    parent,
    role: role as Role,
    content: text(each["content"], `${where}.content`),
    created: time(each["created"], Date.now()),
  };
  for (const name of TEXTS) if (typeof each[name] === "string") message[name] = each[name];
  for (const name of NUMBERS) if (typeof each[name] === "number") message[name] = each[name];
  const ending = each["ending"];
  if (ending === "stop" || ending === "length" || ending === "tool_calls" || ending === "stopped" || ending === "error") {
    message.ending = ending;
  }
  if (each["files"] !== undefined) {
    message.files = list(each["files"], `${where}.files`).map((file, n) => {
      const known = record(file, `${where}.files[${n}]`);
      return { name: text(known["name"], `${where}.files[${n}].name`), text: text(known["text"], `${where}.files[${n}].text`) };
    });
  }
  if (each["calls"] !== undefined) message.calls = readCalls(each["calls"], `${where}.calls`);
  return message;
}

function readCalls(value: unknown, where: string): ToolCall[] {
  return list(value, where).map((call, n) => {
    const known = record(call, `${where}[${n}]`);
    const [id, name, given] = (["id", "name", "arguments"] as const).map((field) =>
      text(known[field], `${where}[${n}].${field}`),
    );
    return { id: id!, name: name!, arguments: given! };
  });
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${where} is not an object`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${where} is not a list`);
  return value;
}

function text(value: unknown, where: string): string {
  if (typeof value !== "string") throw new Error(`${where} is not a text`);
  return value;
}

function time(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}
