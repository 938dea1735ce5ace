/** The model that answers: the one that was chosen last, if the server has it, else its first. */

import { computed } from "@preact/signals";
import { chosen } from "../settings";
import { type Shelf, manage } from "./manage";
import { look, machine, models } from "./status";

export const chosenModel = computed(
  () => models.value.find((model) => model.name === chosen.value) ?? models.value[0] ?? null,
);

/** Have `name` answer from now on; it is loaded at once, if it is not in memory. */
export async function choose(name: string): Promise<void> {
  await manage("load", { name });
  chosen.value = name;
  await look();
}

/** Free the memory of a model. */
export async function unload(name: string): Promise<void> {
  await manage("unload", { name });
  await look();
}

/** Where the server has no model yet: take the last one that was used, or the only one there is. */
export async function chooseAtStart(): Promise<void> {
  await look();
  if (machine.value === null || models.value.length > 0) return;
  const { installed } = await manage<Shelf>("shelf");
  const complete = installed.filter((each) => each.complete).map((each) => each.name);
  const only = complete.length === 1 ? complete[0] : undefined;
  const last = complete.find((name) => name === chosen.value);
  const name = last ?? only;
  if (name !== undefined && models.value.length === 0) await choose(name);
}
