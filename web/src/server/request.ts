/** Requests to the server that this page came from; there is no other that it could reach. */

import { signal } from "@preact/signals";

/** What the server answered instead of what was asked for. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null,
    readonly retryAfter: number | null,
  ) {
    super(message);
  }
}

/** There was no answer at all: the server is gone, or on its way. */
export class UnreachableError extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

const KEY = "pestle.key";

/** Whether the server wants a key that it has not got yet. */
export const keyWanted = signal(false);

export function giveKey(key: string): void {
  sessionStorage.setItem(KEY, key);
  keyWanted.value = false;
}

/** POST `body` as JSON, or GET where there is none. Raises ServerError and UnreachableError. */
export async function request(
  path: string,
  body?: unknown,
  options: { signal?: AbortSignal; headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers: Record<string, string> = { ...options.headers };
  const key = sessionStorage.getItem(KEY);
  if (key !== null) headers["authorization"] = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : JSON.stringify(body),
      headers,
      signal: options.signal,
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new UnreachableError();
  }
  if (response.ok) return response;
  if (response.status === 401) keyWanted.value = true;
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ServerError> {
  let message = `the server answered with status ${response.status}`;
  let code: string | null = null;
  try {
    const told = (await response.json()).error;
    if (typeof told?.message === "string") message = told.message;
    if (typeof told?.code === "string") code = told.code;
  } catch {
    // not JSON: a proxy's page
  }
  const after = Number(response.headers.get("retry-after"));
  return new ServerError(message, response.status, code, after > 0 ? after : null);
}

/** What went wrong, for people. */
export function said(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // A sentence begins in capitals, but not with a name: "user/repo: ...".
  const sentence = /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?…]$/.test(sentence) ? sentence : sentence + ".";
}
