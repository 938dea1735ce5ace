/** The page as a whole, and its keys. */

import { useState } from "preact/hooks";
import { live, regenerate } from "../chats/answering";
import { open, show, shown, storageFailed } from "../chats/state";
import { giveKey, keyWanted } from "../server/request";
import { look, machine, models } from "../server/status";
import { ChatsDialog } from "./chats-dialog";
import { Composer, Dropping } from "./composer";
import { Conversation } from "./conversation";
import { Dialog, type DialogName, shownDialog } from "./dialog";
import { Header, Offline } from "./header";
import { HelpDialog } from "./help-dialog";
import { FirstModel, ModelsDialog } from "./models-view";
import { Notices, telling } from "./notices";
import { SettingsDialog } from "./settings-dialog";
import { Sidebar, sidebarOpen } from "./sidebar";

export function App() {
  const none = machine.value !== null && models.value.length === 0;
  return (
    <>
      <a class="skip" href="#message" onClick={toMessage}>To the message</a>
      <Sidebar />
      <div class="column" inert={sidebarOpen.value && matchMedia("(max-width: 760px)").matches}>
        <Header />
        <Offline />
        {storageFailed.value !== null && (
          <div class="banner" role="alert">This browser cannot keep chats: {storageFailed.value} They are lost when the page is left.</div>
        )}
        {none ? <FirstModel /> : <Conversation />}
        {!none && <Composer />}
      </div>
      {shownDialog.value === "settings" && <SettingsDialog />}
      {shownDialog.value === "models" && <ModelsDialog />}
      {shownDialog.value === "chats" && <ChatsDialog />}
      {shownDialog.value === "help" && <HelpDialog />}
      {keyWanted.value && <KeyDialog />}
      <Notices />
      <Dropping />
    </>
  );
}

function toMessage(event: Event): void {
  event.preventDefault();
  document.getElementById("message")?.focus();
}

const DIALOGS: Record<string, DialogName> = { KeyM: "models", KeyS: "settings" };

/** What the keys do, wherever the focus is. */
export function pressed(event: KeyboardEvent): void {
  const { target } = event;
  if (event.key === "Escape" && shownDialog.value === null) {
    if (sidebarOpen.value) sidebarOpen.value = false;
    else if (open.value !== null) live.value.get(open.value.id)?.stop();
    return;
  }
  const writes = target instanceof HTMLElement && target.matches("input, textarea, select");
  if (event.key === "?" && !writes && shownDialog.value === null) {
    event.preventDefault();
    shownDialog.value = "help";
  }
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const done = byAlt(event.code);
  if (done) event.preventDefault();
}

function byAlt(code: string): boolean {
  const dialog = DIALOGS[code];
  if (dialog !== undefined) shownDialog.value = dialog;
  else if (code === "KeyN") void telling(show(null)).then(() => document.getElementById("message")?.focus());
  else if (code === "KeyK") {
    sidebarOpen.value = true;
    requestAnimationFrame(() => document.getElementById("search")?.focus());
  } else if (code === "KeyR") {
    const last = shown.value.at(-1);
    if (last?.role === "assistant" && !live.value.has(last.chat)) void telling(regenerate(last));
  } else if (code === "KeyE") {
    const buttons = document.querySelectorAll<HTMLButtonElement>(".question button[aria-label='Edit the question']");
    buttons[buttons.length - 1]?.click();
  } else return false;
  return true;
}

function KeyDialog() {
  const [key, setKey] = useState("");
  return (
    <Dialog title="A key is needed" close={() => (keyWanted.value = false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          giveKey(key.trim());
          void look();
        }}
      >
        <label>
          The key that this server was started with
          <input type="password" autocomplete="off" value={key} onInput={(event) => setKey(event.currentTarget.value)} />
        </label>
        <div class="row"><button type="submit" class="primary" disabled={key.trim() === ""}>Use it</button></div>
      </form>
    </Dialog>
  );
}
