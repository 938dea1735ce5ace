/** Chats as sessions on the server's disk, where `pestle chat --session NAME` finds them too. */

import { chosenModel } from "../server/choice";
import { type SavedChat, manage } from "../server/manage";
import { settings } from "../settings";
import { conversation } from "./answering";
import { show, take, update } from "./state";
import { type Chat, type Message, type Messages, branch, newId, titleOf } from "./tree";

export async function savedChats(): Promise<SavedChat[]> {
  return (await manage<{ sessions: SavedChat[] }>("sessions")).sessions;
}

/** Save the branch that is shown. Returns the session's name. */
export async function saveOnServer(chat: Chat, messages: Messages): Promise<string> {
  const said = conversation(branch(messages, chat.leaf), settings.value.system);
  const name = chat.session ?? sessionName(chat);
  await manage("save-session", { name, model: chosenModel.value?.name, messages: said });
  await update({ ...chat, session: name });
  return name;
}

/** As letters and digits that a folder's name may have, and unlike other chats' names. */
function sessionName(chat: Chat): string {
  const words = chat.title.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return `${words.slice(0, 40).toLowerCase() || "chat"}-${chat.id.slice(0, 6)}`;
}

interface SavedMessage {
  role: string;
  content?: unknown;
  tool_call_id?: string;
  reasoning_content?: string;
  tool_calls?: { id?: string; function: { name: string; arguments: unknown } }[];
}

/** Have a session of the server's disk as a chat in this browser, and show it. */
export async function openSaved(name: string): Promise<void> {
  const { messages } = await manage<{ messages: SavedMessage[] }>("open-session", { name });
  const now = Date.now();
  const chat: Chat = { id: newId(), title: titleOf(name), created: now, updated: now, leaf: null, session: name };
  const found: Message[] = [];
  for (const each of messages) {
    if (each.role === "system" || each.role === "developer") {
      settings.value = { ...settings.value, system: textOf(each.content) };
      continue;
    }
    const message: Message = {
      id: newId(),
      chat: chat.id,
      parent: chat.leaf,
      role: each.role === "assistant" || each.role === "tool" ? each.role : "user",
      content: textOf(each.content),
      created: now + found.length,
      ending: "stop",
    };
    if (each.reasoning_content) message.reasoning = each.reasoning_content;
    if (each.tool_call_id) message.callId = each.tool_call_id;
    if (each.tool_calls) {
      message.calls = each.tool_calls.map((call) => ({
        id: call.id ?? newId(),
        name: call.function.name,
        arguments: typeof call.function.arguments === "string" ? call.function.arguments : JSON.stringify(call.function.arguments),
      }));
    }
    found.push(message);
    chat.leaf = message.id;
  }
  await take(chat, found);
  await show(chat.id);
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (typeof part?.text === "string" ? part.text : "")).join("");
}
