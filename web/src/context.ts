/** How much of the model's context the chat and what is about to be said take. */

import { effect, signal } from "@preact/signals";
import { conversation, withFiles } from "./chats/answering";
import { shown } from "./chats/state";
import type { Attachment } from "./chats/tree";
import { chosenModel } from "./server/choice";
import { request } from "./server/request";
import { settings } from "./settings";

const WAIT_MS = 400;
const BYTES_PER_TOKEN = 3.5; // an estimate, where the tokenizer cannot be asked

export const draft = signal("");
export const attached = signal<Attachment[]>([]);

/** `exact`: counted by the model's own tokenizer. */
export const taken = signal<{ tokens: number; exact: boolean } | null>(null);

let timer: ReturnType<typeof setTimeout> | undefined;
let asking: AbortController | undefined;

export function keepCounting(): void {
  effect(() => {
    const model = chosenModel.value;
    const said = conversation(shown.value, settings.value.system);
    const next = withFiles(draft.value, attached.value);
    clearTimeout(timer);
    asking?.abort();
    if (model === null || (said.length === 0 && next === "")) {
      taken.value = null;
      return;
    }
    const messages = next === "" ? said : [...said, { role: "user", content: next }];
    timer = setTimeout(() => void count(model.name, model.state === "ready", messages), WAIT_MS);
  });
}

/** A model that is not in memory is not loaded for this. */
async function count(model: string, ready: boolean, messages: object[]): Promise<void> {
  asking = new AbortController();
  const { signal } = asking;
  if (ready) {
    try {
      const response = await request("tokenize", { model, messages }, { signal });
      taken.value = { tokens: (await response.json()).count, exact: true };
      return;
    } catch {
      if (signal.aborted) return;
      // a chat that the template refuses, for example: an estimate is better than nothing
    }
  }
  const characters = JSON.stringify(messages).length;
  taken.value = { tokens: Math.ceil(characters / BYTES_PER_TOKEN), exact: false };
}
