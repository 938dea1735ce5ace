/** Dialogs, by the browser's own element: it keeps the focus inside and gives it back. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { IconButton } from "./icons";

export type DialogName = "settings" | "models" | "chats" | "help";

export const shownDialog = signal<DialogName | null>(null);

/** Another dialog may have been opened since: it stays. */
export function closeDialog(name: DialogName): void {
  if (shownDialog.value === name) shownDialog.value = null;
}

interface Props {
  title: string;
  class?: string;
  close: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, class: more = "", close, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={more}
      aria-labelledby={id}
      onClose={close}
      onClick={(event) => event.target === element.current && close()}
    >
      <div class="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={close} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
