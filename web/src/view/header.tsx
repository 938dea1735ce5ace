/** The line above: the model that answers, what the machine does, and the ways to everything else. */

import { chosenModel } from "../server/choice";
import { manages } from "../server/manage";
import { machine, models, reachable, speed } from "../server/status";
import { shownDialog } from "./dialog";
import { IconButton } from "./icons";
import { sidebarOpen } from "./sidebar";
import { bytes, count, rate } from "./units";

export function Header() {
  const model = chosenModel.value;
  return (
    <header class="top">
      <IconButton
        icon="menu"
        label="Chats"
        class="narrow-only"
        aria-expanded={sidebarOpen.value}
        aria-controls="chats"
        onClick={() => (sidebarOpen.value = !sidebarOpen.value)}
      />
      <button type="button" class="model" onClick={() => (shownDialog.value = "models")} title="Models (Alt+M)">
        {model?.name ?? "No model"}
        {model !== null && model.state !== "ready" && <small> {model.state === "loading" && model.loaded !== null ? `loading, ${Math.round(model.loaded * 100)} %` : STATES[model.state]}</small>}
      </button>
      <Machine />
      <IconButton icon="settings" label="Settings" onClick={() => (shownDialog.value = "settings")} />
      <button type="button" class="icon-button" aria-label="Help" title="Help (?)" onClick={() => (shownDialog.value = "help")}>?</button>
    </header>
  );
}

const STATES = { unloaded: "not loaded", waiting: "waits for memory", loading: "loading", ready: "", unloading: "unloading" };

/** Speed, queue and memory. */
function Machine() {
  const now = machine.value;
  if (now === null || !manages.value) return <div class="machine" />;
  const running = models.value.reduce((sum, model) => sum + model.running, 0);
  const waiting = models.value.reduce((sum, model) => sum + model.waiting, 0);
  const { total, available, used } = now.memory;
  const queue = running + waiting === 0 ? "idle" : `${count(running)} running${waiting > 0 ? `, ${count(waiting)} waiting` : ""}`;
  return (
    <div class="machine" role="group" aria-label="What this machine is doing">
      {speed.value > 0.05 && <span>{rate(speed.value)}</span>}
      <span>{queue}</span>
      <span title={`${bytes(total)} of memory, of which ${bytes(available)} are free${used === null ? "" : `; Pestle takes ${bytes(used)}`}`}>
        {used !== null && `${bytes(used)} used, `}{bytes(available)} free
      </span>
    </div>
  );
}

/** Told while the server does not answer. */
export function Offline() {
  if (reachable.value !== false) return null;
  return (
    <div class="banner" role="alert">
      The server does not answer. Your chats are kept here; this page goes on as soon as it is back.
      Start it with <code>pestle ui</code>.
    </div>
  );
}
