/** What answers are to be like: the instructions, the sampling, and presets of both. */

import { effect, signal } from "@preact/signals";

/** Null: as the model has it. */
export interface Settings {
  system: string;
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repeat_penalty: number | null;
  max_tokens: number | null;
  seed: number | null;
  reasoning_effort: string | null;
  tools: string; // JSON: a list of functions that the model may call
}

export interface Preset {
  name: string;
  settings: Settings;
}

export const MODELS_OWN: Settings = {
  system: "",
  temperature: null,
  top_p: null,
  top_k: null,
  min_p: null,
  repeat_penalty: null,
  max_tokens: null,
  seed: null,
  reasoning_effort: null,
  tools: "",
};

/** Those that come with the page. */
export const BUILT_IN: readonly Preset[] = [
  { name: "As the model has it", settings: MODELS_OWN },
  {
    name: "Same answer every time",
    settings: { ...MODELS_OWN, temperature: 0, seed: 1 },
  },
  {
    name: "Short answers",
    settings: { ...MODELS_OWN, system: "Answer briefly and to the point.", max_tokens: 400 },
  },
  {
    name: "Inventive",
    settings: { ...MODELS_OWN, temperature: 1, top_p: 0.95, min_p: 0.05 },
  },
];

export type Theme = "auto" | "light" | "dark";

export const settings = signal<Settings>({ ...MODELS_OWN, ...kept("settings", {}) });
export const presets = signal<Preset[]>(kept("presets", []));
export const theme = signal<Theme>(kept("theme", "auto"));
/** The model that was chosen last. */
export const chosen = signal<string | null>(kept("model", null));

keep("settings", settings);
keep("presets", presets);
keep("theme", theme);
keep("model", chosen);

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

/** The fields of a request that these settings ask for. Raises SyntaxError for wrong tools. */
export function fields(of: Settings): Record<string, unknown> {
  const { system: _, tools, ...sampling } = of;
  const given = Object.entries(sampling).filter(([, value]) => value !== null);
  const found: Record<string, unknown> = Object.fromEntries(given);
  if (tools.trim() !== "") found["tools"] = JSON.parse(tools);
  return found;
}

function kept<T>(name: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(`pestle.${name}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

function keep(name: string, value: { value: unknown }): void {
  effect(() => {
    try {
      localStorage.setItem(`pestle.${name}`, JSON.stringify(value.value));
    } catch {
      // Storage is full or forbidden: the setting holds until the page is left.
    }
  });
}
