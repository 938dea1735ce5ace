/** An answer as it is written: chat completions over server-sent events. */

import { createParser } from "eventsource-parser";
import { ServerError, UnreachableError, request } from "./request";

export interface CallDelta {
  index: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

/** What comes of an answer: pieces, what goes on meanwhile, and in the end its counts of tokens. */
export type Piece =
  | { kind: "text"; text: string }
  | { kind: "reasoning"; text: string }
  | { kind: "call"; delta: CallDelta }
  | { kind: "waiting"; said: string }
  | { kind: "reason"; reason: string }
  | { kind: "usage"; prompt: number; answer: number };

/** Ask for an answer. Raises ServerError, UnreachableError, and what aborting `signal` raises. */
export async function* answer(body: object, signal: AbortSignal): AsyncGenerator<Piece> {
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("v1/chat/completions", asked, { signal });
  const found: Piece[] = [];
  let done = false;
  const parser = createParser({
    onComment: (comment) => void found.push({ kind: "waiting", said: comment.trim() }),
    onEvent: ({ data }) => {
      if (data === "[DONE]") done = true;
      else found.push(...pieces(JSON.parse(data)));
    },
  });
  const reader = response.body!.getReader();
  const decoder = new TextDecoder(); // by hand: a stream of streams costs more for each token
  while (!done) {
    const { done: ended, value } = await read(reader, signal);
    if (ended) throw new UnreachableError(); // without [DONE]: the server is gone
    parser.feed(decoder.decode(value, { stream: true }));
    yield* found.splice(0);
  }
}

async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new UnreachableError();
  }
}

interface Chunk {
  error?: { message: string; code?: string | null };
  choices?: {
    delta: { content?: string | null; reasoning_content?: string; tool_calls?: CallDelta[] };
    finish_reason: string | null;
  }[];
  usage?: { prompt_tokens: number; completion_tokens: number };
}

function* pieces(chunk: Chunk): Generator<Piece> {
  if (chunk.error !== undefined) {
    throw new ServerError(chunk.error.message, 500, chunk.error.code ?? null, null);
  }
  for (const { delta, finish_reason } of chunk.choices ?? []) {
    if (delta.reasoning_content) yield { kind: "reasoning", text: delta.reasoning_content };
    if (delta.content) yield { kind: "text", text: delta.content };
    for (const call of delta.tool_calls ?? []) yield { kind: "call", delta: call };
    if (finish_reason !== null) yield { kind: "reason", reason: finish_reason };
  }
  if (chunk.usage) {
    const { prompt_tokens: prompt, completion_tokens: written } = chunk.usage;
    yield { kind: "usage", prompt, answer: written };
  }
}
