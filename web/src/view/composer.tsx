/** Where one writes: the text, files beside it, and how much of the context they take. */

import { useRef, useState } from "preact/hooks";
import { useEffect } from "preact/hooks";
import { announced, ask, live } from "../chats/answering";
import { open } from "../chats/state";
import { attached, draft, taken } from "../context";
import { read } from "../files/read";
import { chosenModel } from "../server/choice";
import { said } from "../server/request";
import { reachable } from "../server/status";
import { Icon, IconButton } from "./icons";
import { notify, telling } from "./notices";
import { count } from "./units";

const ACCEPTED = ".txt,.md,.csv,.tsv,.json,.yaml,.yml,.toml,.xml,.html,.css,.log,.tex,.pdf,.py,.js,.ts,.tsx,.jsx,.java,.c,.h,.cpp,.hpp,.cs,.go,.rs,.rb,.php,.sh,.sql,.r,.kt,.swift,text/*,application/pdf";

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const now = open.value === null ? undefined : live.value.get(open.value.id);
  const text = draft.value;
  const nothing = text.trim() === "" && attached.value.length === 0;

  useEffect(() => {
    const area = field.current!;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, innerHeight * 0.4)}px`;
  }, [text]);

  const send = () => {
    if (nothing || now !== undefined) return;
    const [content, files] = [text.trim(), attached.value];
    draft.value = "";
    attached.value = [];
    void telling(ask(content, files));
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Attachments />
      <div class="field">
        <textarea
          ref={field}
          id="message"
          rows={1}
          placeholder="Write a message"
          aria-label="Message"
          value={text}
          onInput={(event) => (draft.value = event.currentTarget.value)}
          onPaste={(event) => {
            const files = [...(event.clipboardData?.files ?? [])];
            if (files.length > 0) {
              event.preventDefault();
              void attach(files);
            }
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
              event.preventDefault();
              send();
            }
          }}
        />
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          accept={ACCEPTED}
          aria-label="Files"
          onChange={(event) => {
            void attach([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
        <IconButton icon="attach" label="Add files" onClick={() => picker.current!.click()} />
        {now === undefined ? (
          <button type="submit" class="primary round" aria-label="Send" title="Send" disabled={nothing || reachable.value === false}>
            <Icon name="send" />
          </button>
        ) : (
          <button type="button" class="primary round" aria-label="Stop" title="Stop (Esc)" onClick={now.stop}>
            <Icon name="stop" />
          </button>
        )}
      </div>
      <Gauge />
      <div class="outside" role="status">{announced.value}</div>
    </form>
  );
}

/** Take files over as text; what cannot be read is told. */
export async function attach(files: readonly File[]): Promise<void> {
  for (const file of files) {
    try {
      const found = await read(file);
      attached.value = [...attached.value, found];
    } catch (error) {
      notify(said(error), true);
    }
  }
}

function Attachments() {
  if (attached.value.length === 0) return null;
  const remove = (at: number) => (attached.value = attached.value.filter((_, index) => index !== at));
  return (
    <ul class="attachments" aria-label="Files that go with the message">
      {attached.value.map((file, index) => (
        <li key={index}>
          {file.name} <small>{count(file.text.length)} characters</small>
          <IconButton icon="close" label={`Remove ${file.name}`} onClick={() => remove(index)} />
        </li>
      ))}
    </ul>
  );
}

function Gauge() {
  const model = chosenModel.value;
  const [shownOnce, setShownOnce] = useState(false);
  const now = taken.value;
  useEffect(() => {
    if (now !== null) setShownOnce(true);
  }, [now]);
  if (model === null || now === null || !shownOnce) return <div class="gauge" />;
  const share = now.tokens / model.context;
  const level = share >= 1 ? "over" : share > 0.8 ? "high" : "";
  return (
    <div class={`gauge ${level}`}>
      <label>
        <meter min={0} max={model.context} high={model.context * 0.8} value={Math.min(now.tokens, model.context)} />
        {now.exact ? "" : "about "}
        {count(now.tokens)} of {count(model.context)} tokens
        {share >= 1 && ": too much for this model"}
      </label>
    </div>
  );
}

/** Files may be dropped anywhere on the page. */
export function Dropping() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const drag = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      void attach([...event.dataTransfer!.files]);
    };
    addEventListener("dragover", drag);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", drag);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
  return over ? <div class="dropping">Drop files to add their text</div> : null;
}
