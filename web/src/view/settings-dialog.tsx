/** The drawer: instructions, sampling, presets, tools, and what the page looks like. */

import { useId, useState } from "preact/hooks";
import { BUILT_IN, type Settings, type Theme, presets, settings, theme } from "../settings";
import { chosenModel } from "../server/choice";
import { Dialog, closeDialog } from "./dialog";
import { notify } from "./notices";

interface NumberField {
  name: "temperature" | "top_p" | "top_k" | "min_p" | "repeat_penalty" | "max_tokens" | "seed";
  label: string;
  about: string;
  min: number;
  max: number;
  step: number;
}

const NUMBERS: readonly NumberField[] = [
  { name: "temperature", label: "Temperature", about: "0 always takes the likeliest word; more is more varied.", min: 0, max: 2, step: 0.05 },
  { name: "top_p", label: "Top-p", about: "Only the likeliest words that together have this share.", min: 0, max: 1, step: 0.01 },
  { name: "top_k", label: "Top-k", about: "Only so many of the likeliest words; 0 is all.", min: 0, max: 1000, step: 1 },
  { name: "min_p", label: "Min-p", about: "Only words that are at least this fraction as likely as the likeliest.", min: 0, max: 1, step: 0.01 },
  { name: "repeat_penalty", label: "Repeat penalty", about: "Above 1, words that were said are less likely.", min: 0.5, max: 2, step: 0.01 },
  { name: "max_tokens", label: "Longest answer", about: "In tokens, of which a page of text has some 500.", min: 1, max: 1_000_000, step: 1 },
  { name: "seed", label: "Seed", about: "The same seed gives the same answer to the same chat.", min: 0, max: 9_007_199_254_740_991, step: 1 },
];

export function SettingsDialog() {
  return (
    <Dialog title="Settings" class="drawer" close={() => closeDialog("settings")}>
      <Presets />
      <Instructions />
      <h3>Sampling</h3>
      <p class="small">What is empty is as the model has it.</p>
      {NUMBERS.map((field) => <NumberInput key={field.name} field={field} />)}
      <Effort />
      <Tools />
      <Looks />
    </Dialog>
  );
}

function set(changed: Partial<Settings>): void {
  settings.value = { ...settings.value, ...changed };
}

function Presets() {
  const [name, setName] = useState("");
  const all = [...BUILT_IN, ...presets.value];
  const now = JSON.stringify(settings.value);
  const current = all.find((preset) => JSON.stringify(preset.settings) === now);
  const own = presets.value.some((preset) => preset.name === current?.name);
  const save = () => {
    const wanted = name.trim();
    if (wanted === "") return;
    if (BUILT_IN.some((preset) => preset.name === wanted)) return notify(`${wanted} comes with the page: choose another name.`, true);
    presets.value = [...presets.value.filter((preset) => preset.name !== wanted), { name: wanted, settings: settings.value }];
    setName("");
  };
  return (
    <fieldset>
      <legend>Presets</legend>
      <div class="row">
        <select
          aria-label="Preset"
          value={current?.name ?? ""}
          onChange={(event) => {
            const preset = all.find((each) => each.name === event.currentTarget.value);
            if (preset !== undefined) settings.value = preset.settings;
          }}
        >
          {current === undefined && <option value="">Settings of your own</option>}
          {all.map((preset) => <option key={preset.name} value={preset.name}>{preset.name}</option>)}
        </select>
        {own && (
          <button type="button" onClick={() => (presets.value = presets.value.filter((each) => each.name !== current!.name))}>
            Delete preset
          </button>
        )}
      </div>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <input aria-label="Name of a new preset" placeholder="Name" maxLength={60} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <button type="submit">Save as preset</button>
      </form>
    </fieldset>
  );
}

function Instructions() {
  const id = useId();
  return (
    <>
      <label for={id}><h3>Instructions</h3></label>
      <textarea
        id={id}
        rows={4}
        placeholder="How the model should answer, for example: Answer in simple German."
        value={settings.value.system}
        onInput={(event) => set({ system: event.currentTarget.value })}
      />
    </>
  );
}

function NumberInput({ field }: { field: NumberField }) {
  const { name, label, about, ...limits } = field;
  const id = useId();
  return (
    <div class="number">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        aria-describedby={`${id}-about`}
        placeholder="model"
        {...limits}
        value={settings.value[name] ?? ""}
        onChange={(event) => {
          const { value, validity } = event.currentTarget;
          if (value === "") set({ [name]: null });
          else if (validity.valid) set({ [name]: Number(value) });
          else {
            event.currentTarget.value = String(settings.value[name] ?? "");
            notify(`${label} is from ${limits.min} to ${limits.max}, in steps of ${limits.step}.`, true);
          }
        }}
      />
      <small id={`${id}-about`}>{about}</small>
    </div>
  );
}

function Effort() {
  const id = useId();
  if (!chosenModel.value?.reasons) return null;
  return (
    <div class="number">
      <label for={id}>Thinking</label>
      <select
        id={id}
        value={settings.value.reasoning_effort ?? ""}
        onChange={(event) => set({ reasoning_effort: event.currentTarget.value || null })}
      >
        <option value="">As the model has it</option>
        <option value="none">Off</option>
        <option value="low">Little</option>
        <option value="medium">Some</option>
        <option value="high">Much</option>
      </select>
      <small>How long the model thinks before it answers, where it has a switch for that.</small>
    </div>
  );
}

function Tools() {
  const id = useId();
  const { tools } = settings.value;
  let wrong = "";
  try {
    if (tools.trim() !== "") JSON.parse(tools);
  } catch (error) {
    wrong = (error as Error).message;
  }
  return (
    <details>
      <summary>Tools, for developers</summary>
      <label for={id}>Functions that the model may call, as OpenAI's API takes them: a JSON list. You give their results.</label>
      <textarea id={id} rows={6} spellcheck={false} class="mono" value={tools} onInput={(event) => set({ tools: event.currentTarget.value })} />
      {wrong !== "" && <p class="failed" role="alert">Not valid JSON: {wrong}</p>}
    </details>
  );
}

function Looks() {
  const id = useId();
  return (
    <div class="number">
      <label for={id}>Colours</label>
      <select id={id} value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
        <option value="auto">As the system has them</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </div>
  );
}
