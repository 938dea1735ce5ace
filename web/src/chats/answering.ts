/** Questions and their answers: what is sent, and what becomes of what comes back. */

import { signal } from "@preact/signals";
import { type Piece, answer } from "../server/answer";
import { ServerError, said } from "../server/request";
import { chosenModel } from "../server/choice";
import { look } from "../server/status";
import { fields, settings } from "../settings";
import { current, messages, open, opened, update, writing } from "./state";
import { type Attachment, type Chat, type Ending, type Message, branch, newId } from "./tree";
import { fenced } from "./transfer";

const SHOWN_MS = 80;
const LOADING_MS = 1_000;
const SAVE_MS = 1_000; // a page that is closed loses no more than this of an answer

/** An answer that is being written. */
export interface Live {
  message: Message;
  stop: () => void;
  waiting: string; // what goes on until its first piece
  since: number;
}

/** By chat. */
export const live = signal<ReadonlyMap<string, Live>>(new Map());
/** Changes whenever there is more to be seen of any answer. */
export const grown = signal(0);
let growing: ReturnType<typeof setTimeout> | undefined;

/** There is more to be seen. What sees it is told a few times a second, not for each token. */
function grow(): void {
  growing ??= setTimeout(() => {
    growing = undefined;
    grown.value++;
  }, SHOWN_MS);
}

/** What a screen reader is told. */
export const announced = signal("");

/** Say something in the open chat, or a new one, and have it answered. */
export async function ask(content: string, files: Attachment[]): Promise<void> {
  const chat = opened(content || files[0]?.name || "");
  await say(chat, chat.leaf, content, files);
}

/** Say something else in place of a question. What was said before stays as a branch. */
export async function askInstead(question: Message, content: string): Promise<void> {
  const chat = open.value;
  if (chat !== null) await say(chat, question.parent, content, question.files ?? []);
}

/** Answer what `message` answers once more, as a branch beside it. */
export async function regenerate(message: Message): Promise<void> {
  const chat = open.value;
  if (chat !== null && message.parent !== null) await answerTo(chat, message.parent);
}

/** Give the result of a call. Once all calls of the message have one, the model goes on. */
export async function giveResult(message: Message, callId: string, content: string): Promise<void> {
  const chat = open.value;
  if (chat === null) return;
  const given = branch(messages.value, chat.leaf);
  const result = made(chat, given.at(-1)?.id ?? message.id, "tool", content);
  result.callId = callId;
  const changed = touched(chat, result.id);
  await update(changed, [result]);
  const answered = new Set([...given, result].map((each) => each.callId));
  if (message.calls!.every((call) => answered.has(call.id))) await answerTo(changed, result.id);
}

async function say(chat: Chat, parent: string | null, content: string, files: Attachment[]): Promise<void> {
  const question = made(chat, parent, "user", content);
  if (files.length > 0) question.files = files;
  const changed = touched(chat, question.id);
  const kept = update(changed, [question]);
  await answerTo(changed, question.id);
  await kept;
}

function made(chat: Chat, parent: string | null, role: Message["role"], content: string): Message {
  return { id: newId(), chat: chat.id, parent, role, content, created: Date.now() };
}

const touched = (chat: Chat, leaf: string): Chat => ({ ...chat, leaf, updated: Date.now() });

/** What the server is sent of these messages. */
export function conversation(of: readonly Message[], system: string): object[] {
  const found: object[] = system.trim() === "" ? [] : [{ role: "system", content: system }];
  for (const message of of) {
    if (message.role === "tool") {
      found.push({ role: "tool", tool_call_id: message.callId, content: message.content });
    } else if (message.role === "user") {
      found.push({ role: "user", content: withFiles(message.content, message.files ?? []) });
    } else if (message.content !== "" || message.calls !== undefined) {
      const calls = message.calls?.map(({ id, name, arguments: given }) => ({
        id, type: "function", function: { name, arguments: given },
      }));
      found.push({ role: "assistant", content: message.content, ...(calls && { tool_calls: calls }) });
    }
  }
  return found;
}

export function withFiles(content: string, files: readonly Attachment[]): string {
  return [...files.map((file) => `${file.name}:\n${fenced(file.text)}`), content].join("\n\n").trim();
}

/** While the page is left, until it is shown again: the browser ends its requests then, not the server. */
let here: Promise<unknown> = Promise.resolve();
addEventListener("pagehide", () => {
  here = new Promise((shown) => addEventListener("pageshow", shown, { once: true }));
});

async function answerTo(chat: Chat, parent: string): Promise<void> {
  if (live.value.has(chat.id)) return;
  const asked = branch(messages.value, parent);
  const message = made(chat, parent, "assistant", "");
  const model = chosenModel.value?.name;
  if (model !== undefined) message.model = model;
  const stopping = new AbortController();
  const now: Live = { message, stop: () => stopping.abort(), waiting: "", since: performance.now() };
  writing.add(message.id);
  setLive(chat.id, now);
  const kept = update(touched(chat, message.id), [{ ...message }]);
  let ending: Ending = "stop";
  try {
    const body = { model, messages: conversation(asked, settings.value.system), ...fields(settings.value) };
    ending = await writeOnceLoaded(now, body, stopping.signal);
  } catch (error) {
    await here; // a page that is left for good keeps an answer without an ending
    ending = stopping.signal.aborted ? "stopped" : "error";
    if (ending === "error") message.error = described(error);
    void look();
  }
  await kept;
  await settle(now, ending);
}

/** `write`, again and again while the server says that the model is on its way into memory. */
async function writeOnceLoaded(now: Live, body: object, signal: AbortSignal): Promise<Ending> {
  for (;;) {
    try {
      return await write(now, body, signal);
    } catch (error) {
      if (!(error instanceof ServerError) || error.code !== "model_loading") throw error;
      now.waiting = error.message;
      grow();
      void look();
      await pause(LOADING_MS, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Take the pieces of an answer over as they come; returns what ended it. */
async function write(now: Live, body: object, signal: AbortSignal): Promise<Ending> {
  const { message } = now;
  let ending: Ending = "stop";
  let first = 0;
  let saved = performance.now();
  for await (const piece of answer(body, signal)) {
    const at = performance.now();
    if (piece.kind === "waiting") now.waiting = piece.said;
    else if (piece.kind === "usage") [message.promptTokens, message.tokens] = [piece.prompt, piece.answer];
    else if (piece.kind === "reason") ending = endingOf(piece.reason);
    else {
      if (first === 0) {
        first = at;
        message.firstMs = at - now.since;
      }
      message.writingMs = at - first;
      if (piece.kind !== "reasoning" && message.reasoning && message.thoughtMs === undefined) {
        message.thoughtMs = at - first;
      }
      add(message, piece);
      if (at - saved > SAVE_MS) {
        saved = at;
        void keepHalf(now);
      }
    }
    grow();
  }
  return ending;
}

function add(message: Message, piece: Piece): void {
  if (piece.kind === "text") message.content += piece.text;
  else if (piece.kind === "reasoning") message.reasoning = (message.reasoning ?? "") + piece.text;
  else if (piece.kind === "call") {
    message.calls ??= [];
    const { index, id, function: part } = piece.delta;
    const call = (message.calls[index] ??= { id: id ?? newId(), name: "", arguments: "" });
    if (part?.name) call.name = part.name;
    call.arguments += part?.arguments ?? "";
  }
}

const endingOf = (reason: string): Ending =>
  reason === "length" || reason === "tool_calls" ? reason : "stop";

/** Keep what there is of an answer, without an ending. */
async function keepHalf({ message }: Live): Promise<void> {
  const chat = current(message.chat);
  if (chat !== undefined) await update(chat, [{ ...message }]);
}

async function settle(now: Live, ending: Ending): Promise<void> {
  const message: Message = { ...now.message, ending };
  if (message.reasoning && message.thoughtMs === undefined) message.thoughtMs = message.writingMs ?? 0;
  writing.delete(message.id);
  setLive(message.chat, null);
  const chat = current(message.chat);
  if (chat !== undefined) await update(chat, [message]);
  announced.value = ending === "error" ? "The answer failed." : ending === "stopped" ? "Stopped." : "The answer is complete.";
}

function setLive(chat: string, now: Live | null): void {
  const all = new Map(live.value);
  if (now === null) all.delete(chat);
  else all.set(chat, now);
  live.value = all;
}

function described(error: unknown): string {
  if (error instanceof SyntaxError) return `The tools in the settings are not valid JSON: ${error.message}`;
  if (error instanceof ServerError && error.code === "context_length_exceeded") {
    return `${said(error)} Shorten it, begin a new chat, or delete earlier messages.`;
  }
  return said(error);
}
