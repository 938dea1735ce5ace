/** The page's own interface of the server: what the machine does, models, chats on its disk.
 *
 * Only a browser on the server's own machine may use it, with the token of this start.
 */

import { signal } from "@preact/signals";
import { ServerError, request } from "./request";

export interface ServedModel {
  name: string;
  state: "unloaded" | "waiting" | "loading" | "ready" | "unloading";
  loaded: number | null; // the share that is there, while it is being loaded
  failed: string | null; // why it could not be loaded
  bytes: number;
  context: number;
  reasons: boolean;
  unloadable: boolean;
  running: number;
  waiting: number;
  written: number; // tokens since it was loaded
}

export interface Download {
  name: string;
  label: string;
  done: number;
  total: number | null;
  state: "running" | "complete" | "failed" | "cancelled";
  error: string | null;
}

export interface Machine {
  version: string;
  seconds: number; // by the server's clock
  memory: { total: number; available: number; used: number | null };
  models: ServedModel[];
  downloads: Download[];
}

export interface Installed {
  name: string;
  bytes: number;
  complete: boolean;
}

export interface Offered {
  name: string;
  about: string;
  bytes: number | null;
  licence: string | null;
  fits: boolean; // in this machine's memory
  best: boolean; // of those that fit
}

export interface Shelf {
  installed: Installed[];
  offered: Offered[];
  folder: string;
  free: number;
}

export interface Plan {
  name: string;
  fits: boolean;
  lines: string[];
}

export interface SavedChat {
  name: string;
  bytes: number;
  modified: number;
}

interface Start {
  token: string;
  version: string;
  adds: boolean;
}

/** Whether this browser may manage the server; null: not known yet. */
export const manages = signal<boolean | null>(null);
/** Whether it may have models served that were not named at the start. */
export const adds = signal(false);

let starting: Promise<string> | undefined;

async function begin(): Promise<string> {
  const start: Start = await (await request("page/api/start", {})).json();
  adds.value = start.adds;
  manages.value = true;
  return start.token;
}

/** Ask for `what`. A server that was started anew has another token, which is asked for once. */
export async function manage<T>(what: string, body: object = {}): Promise<T> {
  for (let again = true; ; again = false) {
    starting ??= begin();
    try {
      const headers = { "x-pestle-token": await starting };
      return await (await request(`page/api/${what}`, body, { headers })).json();
    } catch (error) {
      starting = undefined; // whatever went wrong, the next request begins anew
      const code = error instanceof ServerError ? error.code : null;
      if (code === "page_elsewhere") manages.value = false;
      if (code !== "page_token" || !again) throw error;
    }
  }
}
