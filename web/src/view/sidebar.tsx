/** The chats of this browser: found, opened, renamed, deleted. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { live } from "../chats/answering";
import { chats, open, remove, rename, search, show } from "../chats/state";
import type { Chat } from "../chats/tree";
import { shownDialog } from "./dialog";
import { Icon, IconButton } from "./icons";
import { telling } from "./notices";

/** Whether the list is shown on a narrow screen. */
export const sidebarOpen = signal(false);

export function Sidebar() {
  const [wanted, setWanted] = useState("");
  const found = useFound(wanted);
  const list = found === null ? chats.value : chats.value.filter((chat) => found.has(chat.id));
  return (
    <nav class={sidebarOpen.value ? "sidebar open" : "sidebar"} id="chats" aria-label="Chats">
      <div class="sidebar-head">
        <button type="button" class="wide" onClick={() => openChat(null)}>
          <Icon name="add" /> New chat
        </button>
        <IconButton icon="close" label="Hide the chats" class="narrow-only" onClick={() => (sidebarOpen.value = false)} />
      </div>
      <input
        type="search"
        id="search"
        placeholder="Search the chats"
        aria-label="Search the chats"
        value={wanted}
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      <ul class="chats">
        {list.map((chat) => <Entry key={chat.id} chat={chat} />)}
        {list.length === 0 && <li class="empty">{wanted ? "Nothing found." : "No chats yet."}</li>}
      </ul>
      <button type="button" class="wide quiet" onClick={() => (shownDialog.value = "chats")}>
        Export, import, save
      </button>
    </nav>
  );
}

function openChat(id: string | null): void {
  sidebarOpen.value = false;
  void telling(show(id)).then(() => document.getElementById("message")?.focus());
}

/** The chats that hold `wanted`; null: all of them. */
function useFound(wanted: string): Set<string> | null {
  const [found, setFound] = useState<Set<string> | null>(null);
  const all = chats.value;
  useEffect(() => {
    if (wanted.trim() === "") {
      setFound(null);
      return;
    }
    const stopping = new AbortController();
    const timer = setTimeout(() => {
      void telling(search(wanted.trim(), stopping.signal).then((ids) => {
        if (!stopping.signal.aborted) setFound(ids);
      }));
    }, 150);
    return () => {
      clearTimeout(timer);
      stopping.abort();
    };
  }, [wanted, all]);
  return found;
}

function Entry({ chat }: { chat: Chat }) {
  const [renaming, setRenaming] = useState(false);
  const [asking, setAsking] = useState(false);
  if (renaming) return <Renaming chat={chat} done={() => setRenaming(false)} />;
  const isOpen = open.value?.id === chat.id;
  return (
    <li class={isOpen ? "current" : ""}>
      <button type="button" class="title" aria-current={isOpen ? "page" : undefined} onClick={() => openChat(chat.id)}>
        {chat.title}
        {live.value.has(chat.id) && <span class="writing" role="img" aria-label="An answer is being written" />}
      </button>
      {asking ? (
        <>
          <button type="button" class="danger" onClick={() => removeChat(chat)}>Delete</button>
          <button type="button" onClick={() => setAsking(false)}>Keep</button>
        </>
      ) : (
        <>
          <IconButton icon="edit" label={`Rename ${chat.title}`} onClick={() => setRenaming(true)} />
          <IconButton icon="delete" label={`Delete ${chat.title}`} onClick={() => setAsking(true)} />
        </>
      )}
    </li>
  );
}

function removeChat(chat: Chat): void {
  live.value.get(chat.id)?.stop();
  void telling(remove(chat));
}

function Renaming({ chat, done }: { chat: Chat; done: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  const ended = useRef(false);
  useEffect(() => field.current!.select(), []);
  const end = (title: string) => {
    if (ended.current) return; // the field loses the focus once more as it goes
    ended.current = true;
    done();
    if (title.trim() !== "" && title !== chat.title) void telling(rename(chat, title));
  };
  return (
    <li>
      <input
        ref={field}
        aria-label="Name of the chat"
        defaultValue={chat.title}
        maxLength={200}
        onBlur={(event) => end(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") end(event.currentTarget.value);
          if (event.key === "Escape") end(chat.title);
        }}
      />
    </li>
  );
}
