/** What an empty chat shows: what may be asked, and that all of it stays here. */

import { draft } from "../context";
import { chosenModel } from "../server/choice";
import { manages } from "../server/manage";

const EXAMPLES = [
  "Explain in plain words what a contract of sale is.",
  "Write a friendly reminder of an unpaid invoice.",
  "Make a table of the planets with their diameters and moons.",
  "Write a Python function that finds duplicate files.",
];

export function Welcome() {
  return (
    <div class="welcome">
      <h1>What would you like to know?</h1>
      <p>{chosenModel.value?.name} answers. <Privacy /></p>
      <ul class="examples">
        {EXAMPLES.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => use(text)}>{text}</button>
          </li>
        ))}
      </ul>
      <p class="small">Models make mistakes. Check what matters.</p>
    </div>
  );
}

export function Privacy() {
  return manages.value === false ? (
    <>Chats are kept in this browser. What you write goes to the computer that this page came from, and to no other.</>
  ) : (
    <>Everything stays on this machine: the model, your chats, your files. Nothing is sent anywhere.</>
  );
}

function use(text: string): void {
  draft.value = text;
  document.getElementById("message")?.focus();
}
