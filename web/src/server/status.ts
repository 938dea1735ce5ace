/** Whether the server is there, which models it has, and what the machine is doing. */

import { computed, signal } from "@preact/signals";
import { type Machine, type ServedModel, adds, manage, manages } from "./manage";
import { UnreachableError, request } from "./request";

const LOOK_MS = 2_000;
const LOOK_HIDDEN_MS = 30_000;

/** null: not known yet. */
export const reachable = signal<boolean | null>(null);
export const machine = signal<Machine | null>(null);
/** Tokens that all models wrote in the last seconds, each second. */
export const speed = signal(0);

const elsewhere = signal<ServedModel[]>([]);
export const models = computed(() => machine.value?.models ?? elsewhere.value);

let timer: ReturnType<typeof setTimeout> | undefined;
let looking: Promise<void> | undefined;

/** Look now, and again every few seconds. */
export function look(): Promise<void> {
  looking ??= once().finally(() => {
    looking = undefined;
    clearTimeout(timer);
    timer = setTimeout(look, document.hidden ? LOOK_HIDDEN_MS : LOOK_MS);
  });
  return looking;
}

export function keepLooking(): void {
  document.addEventListener("visibilitychange", () => document.hidden || void look());
  addEventListener("online", () => void look());
  void look();
}

async function once(): Promise<void> {
  try {
    if (manages.value === false) await lookFromElsewhere();
    else await lookAtMachine();
    reachable.value = true;
  } catch (error) {
    if (manages.value === false && machine.value !== null) machine.value = null;
    else if (error instanceof UnreachableError) reachable.value = false;
    else if (manages.value !== null) reachable.value = true;
  }
}

async function lookAtMachine(): Promise<void> {
  const before = machine.value;
  const now = await manage<Machine>("state").catch(async (error) => {
    if (manages.value !== false) throw error;
    await lookFromElsewhere();
    return null;
  });
  if (now === null) return;
  if (before !== null && now.seconds > before.seconds) {
    speed.value = Math.max(0, written(now) - written(before)) / (now.seconds - before.seconds);
  }
  machine.value = now;
}

const written = (of: Machine) => of.models.reduce((sum, model) => sum + model.written, 0);

/** What a browser on another machine may know. */
async function lookFromElsewhere(): Promise<void> {
  const listed = await (await request("v1/models")).json();
  adds.value = false;
  elsewhere.value = listed.data.map((model: { id: string; context_length: number }) => ({
    name: model.id,
    state: "ready",
    loaded: null,
    failed: null,
    bytes: 0,
    context: model.context_length,
    reasons: false,
    unloadable: false,
    running: 0,
    waiting: 0,
    written: 0,
  }));
}
