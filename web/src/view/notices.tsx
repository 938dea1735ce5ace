/** Short words about what was done, or could not be. */

import { signal } from "@preact/signals";
import { said } from "../server/request";
import { IconButton } from "./icons";

const SHOWN_MS = 6_000;

interface Notice {
  text: string;
  failed: boolean;
}

const notice = signal<Notice | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;

export function notify(text: string, failed = false): void {
  notice.value = { text, failed };
  clearTimeout(timer);
  if (!failed) timer = setTimeout(() => (notice.value = null), SHOWN_MS);
}

/** Have `doing` done; what goes wrong is told. Returns whether it went well. */
export async function telling(doing: Promise<unknown>): Promise<boolean> {
  try {
    await doing;
    return true;
  } catch (error) {
    notify(said(error), true);
    return false;
  }
}

export function Notices() {
  const shown = notice.value;
  return (
    <div class="notices" role="status">
      {shown && (
        <div class={shown.failed ? "notice failed" : "notice"}>
          <span>{shown.text}</span>
          <IconButton icon="close" label="Close the message" onClick={() => (notice.value = null)} />
        </div>
      )}
    </div>
  );
}
