/** Chats to files and back, and to the server's disk. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { openSaved, saveOnServer, savedChats } from "../chats/saved";
import { chats, messages, open } from "../chats/state";
import { fromJson, toJson, toMarkdown } from "../chats/transfer";
import { download, fileName } from "../copy";
import { type SavedChat, manage, manages } from "../server/manage";
import { Dialog, closeDialog } from "./dialog";
import { notify, telling } from "./notices";
import { bytes } from "./units";

const saved = signal<SavedChat[]>([]);

export function ChatsDialog() {
  const picker = useRef<HTMLInputElement>(null);
  const chat = open.value;
  return (
    <Dialog title="Export, import, save" close={() => closeDialog("chats")}>
      <h3>Files</h3>
      <p class="small">Chats are kept in this browser. A file takes them to another one; JSON has every version of every message.</p>
      <div class="row">
        <button type="button" disabled={chat === null} onClick={() => download(fileName(chat!.title, "md"), "text/markdown", toMarkdown(chat!, messages.value))}>
          This chat as Markdown
        </button>
        <button type="button" disabled={chat === null} onClick={() => void telling(toJson([chat!]).then((text) => download(fileName(chat!.title, "json"), "application/json", text)))}>
          This chat as JSON
        </button>
        <button type="button" disabled={chats.value.length === 0} onClick={() => void telling(toJson(chats.value).then((text) => download("chats.json", "application/json", text)))}>
          All chats as JSON
        </button>
        <button type="button" onClick={() => picker.current!.click()}>Import JSON</button>
        <input
          ref={picker}
          type="file"
          hidden
          accept=".json,application/json"
          aria-label="File of chats"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file !== undefined) void telling(imported(file));
            event.currentTarget.value = "";
          }}
        />
      </div>
      {manages.value && <OnServer />}
    </Dialog>
  );
}

async function imported(file: File): Promise<void> {
  const n = await fromJson(await file.text());
  notify(n === 1 ? "One chat was imported." : `${n} chats were imported.`);
}

/** Sessions on this machine's disk. */
function OnServer() {
  const chat = open.value;
  useEffect(() => void telling(refresh()), []);
  const save = async () => {
    const name = await saveOnServer(chat!, messages.value);
    notify(`Saved. In a terminal, pestle chat --session ${name} goes on with it.`);
    await refresh();
  };
  return (
    <>
      <h3>On this machine's disk</h3>
      <p class="small">A saved chat outlasts the browser's data, and the terminal can go on with it.</p>
      <div class="row">
        <button type="button" disabled={chat === null || messages.value.size === 0} onClick={() => void telling(save())}>Save this chat</button>
      </div>
      <ul class="models">
        {saved.value.map((session) => (
          <li key={session.name}>
            <div class="about">
              <strong>{session.name}</strong>
              <small>{bytes(session.bytes)}, {new Date(session.modified * 1000).toLocaleString()}</small>
            </div>
            <button type="button" onClick={() => void telling(openSaved(session.name)).then((done) => done && closeDialog("chats"))}>
              Open
            </button>
            <button type="button" onClick={() => void telling(manage("remove-session", { name: session.name }).then(refresh))}>
              Delete
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

async function refresh(): Promise<void> {
  saved.value = await savedChats();
}
