/** What stays where, and the keys. */

import { machine } from "../server/status";
import { Dialog, closeDialog } from "./dialog";
import { Privacy } from "./welcome";

const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "send the message"],
  ["Shift+Enter", "begin a new line"],
  ["Esc", "stop the answer, or close what is open"],
  ["Alt+N", "new chat"],
  ["Alt+K", "search the chats"],
  ["Alt+M", "models"],
  ["Alt+S", "settings"],
  ["Alt+R", "another answer"],
  ["Alt+E", "edit the last question"],
  ["?", "this help, while nothing is being written"],
];

export function HelpDialog() {
  return (
    <Dialog title="Help" close={() => closeDialog("help")}>
      <h3>What stays here</h3>
      <p><Privacy /></p>
      <p class="small">
        This page loads nothing from the internet. Pictures and pages that an answer names are never
        loaded; a link opens only when you click it. The internet is used for one thing: fetching a
        model that you choose.
      </p>
      <h3>Keys</h3>
      <dl class="keys">
        {KEYS.map(([key, about]) => (
          <div key={key}>
            <dt><kbd>{key}</kbd></dt>
            <dd>{about}</dd>
          </div>
        ))}
      </dl>
      <p class="small">
        Pestle {machine.value?.version}. <a href="page/licences.txt" target="_blank">Licences of what this page is made of</a>
      </p>
    </Dialog>
  );
}
