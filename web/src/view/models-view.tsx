/** The models: which answer, which lie on the disk, and which could be fetched. */

import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { choose, chosenModel, unload } from "../server/choice";
import { type Download, type Installed, type Offered, type Plan, type ServedModel, type Shelf, adds, manage, manages } from "../server/manage";
import { look, machine, models } from "../server/status";
import { chosen } from "../settings";
import { said } from "../server/request";
import { Dialog, closeDialog } from "./dialog";
import { telling } from "./notices";
import { bytes, count } from "./units";

const shelf = signal<Shelf | null>(null);

export function ModelsDialog() {
  return (
    <Dialog title="Models" close={() => closeDialog("models")}>
      <ModelLists />
    </Dialog>
  );
}

/** What is shown where there is no model yet. */
export function FirstModel() {
  return (
    <main class="conversation first" tabIndex={-1} aria-label="Choose a model">
      <div>
        <h1>Choose a model</h1>
        <p>
          A model is a file that writes the answers. It is fetched once and then works without the
          internet: everything you write stays on this machine.
        </p>
        <ModelLists />
      </div>
    </main>
  );
}

export function ModelLists() {
  const finished = machine.value?.downloads.map(({ name, state }) => `${name} ${state}`).join();
  useEffect(() => {
    if (adds.value) void telling(manage<Shelf>("shelf").then((found) => (shelf.value = found)));
  }, [finished, adds.value]);
  const served = models.value;
  const onDisk = shelf.value?.installed.filter((each) => !served.some((model) => model.name === each.name)) ?? [];
  const offered = byUse(shelf.value?.offered.filter((each) => !isHere(each.name)) ?? []);
  return (
    <>
      {served.length > 0 && <h3>On this server</h3>}
      <ul class="models">{served.map((model) => <Served key={model.name} model={model} />)}</ul>
      {onDisk.length > 0 && <h3>On this disk</h3>}
      <ul class="models">{onDisk.map((model) => <OnDisk key={model.name} model={model} />)}</ul>
      {offered.length > 0 && <h3>To be fetched</h3>}
      <ul class="models">{offered.map((model) => <ToFetch key={model.name} model={model} />)}</ul>
      {adds.value && shelf.value !== null && <ByName shelf={shelf.value} />}
    </>
  );
}

/** The best first, then what fits, then the rest. */
const byUse = (offered: Offered[]) =>
  [...offered].sort((a, b) => Number(b.best) - Number(a.best) || Number(b.fits) - Number(a.fits));

const isHere = (name: string) =>
  models.value.some((model) => model.name === name) || shelf.value!.installed.some((model) => model.name === name && model.complete);

function Served({ model }: { model: ServedModel }) {
  const current = chosenModel.value?.name === model.name;
  return (
    <li>
      <div class="about">
        <strong>{model.name}</strong>
        <small>
          {STATES[model.state]}
          {model.bytes > 0 && `, ${bytes(model.bytes)}`}, context of {count(model.context)} tokens
        </small>
        {model.loaded !== null && <progress aria-label={`Loading ${model.name}`} max={1} value={model.loaded} />}
        {model.failed !== null && <small class="failed" role="alert">It could not be loaded: {model.failed}</small>}
      </div>
      {current ? <span class="badge">in use</span> : <button type="button" onClick={() => void use(model.name)}>Use</button>}
      {manages.value && model.unloadable && (
        <button type="button" onClick={() => void telling(unload(model.name))}>Unload</button>
      )}
      {manages.value && current && model.state === "unloaded" && (
        <button type="button" onClick={() => void telling(choose(model.name))}>Load</button>
      )}
    </li>
  );
}

const STATES: Record<ServedModel["state"], string> = {
  unloaded: "not in memory",
  waiting: "waits for memory",
  loading: "is being loaded",
  ready: "in memory",
  unloading: "is being unloaded",
};

async function use(name: string): Promise<void> {
  if (!manages.value) {
    chosen.value = name;
    closeDialog("models");
  } else if (await telling(choose(name))) {
    closeDialog("models");
    document.getElementById("message")?.focus();
  }
}

function OnDisk({ model }: { model: Installed }) {
  return (
    <li>
      <div class="about">
        <strong>{model.name}</strong>
        <small>{bytes(model.bytes)}{!model.complete && ", not complete"}</small>
        <Fetching name={model.name} />
      </div>
      {model.complete ? (
        <button type="button" onClick={() => void use(model.name)}>Use</button>
      ) : (
        <FetchButton name={model.name} label="Go on" />
      )}
    </li>
  );
}

function ToFetch({ model }: { model: Offered }) {
  const [plan, setPlan] = useState<Plan | null>(null);
  const [asking, setAsking] = useState(false);
  const running = downloadOf(model.name)?.state === "running";
  const showPlan = async () => {
    setAsking(true);
    await telling(manage<Plan>("plan", { name: model.name }).then(setPlan));
    setAsking(false);
  };
  const size = model.bytes === null ? "" : bytes(model.bytes);
  return (
    <li>
      <div class="about">
        <strong>{model.name}</strong>
        {model.best && <small class="best">The best for this machine</small>}
        <small>{[model.about, size, model.licence].filter(Boolean).join(" · ")}</small>
        {!model.fits && <small>Too large for the memory that is free now</small>}
        {plan !== null && !running && <PlanView plan={plan} />}
        <Fetching name={model.name} />
      </div>
      {!running && (plan === null ? (
        <button type="button" disabled={asking} onClick={() => void showPlan()} aria-label={`Get ${model.name}`}>
          {asking ? "Asking…" : "Get"}
        </button>
      ) : (
        <FetchButton name={model.name} label={plan.fits ? "Download" : "Download all the same"} />
      ))}
    </li>
  );
}

function PlanView({ plan }: { plan: Plan }) {
  return (
    <ul class={`plan ${plan.fits ? "" : "failed"}`} role="status" aria-label={`What ${plan.name} takes`}>
      {plan.lines.map((line) => <li key={line}>{line}</li>)}
    </ul>
  );
}

function FetchButton({ name, label }: { name: string; label: string }) {
  if (downloadOf(name)?.state === "running") return null;
  return <button type="button" class="primary" onClick={() => void telling(fetchModel(name))}>{label}</button>;
}

async function fetchModel(name: string): Promise<void> {
  await manage("download", { name });
  await look();
}

const downloadOf = (name: string): Download | undefined =>
  machine.value?.downloads.find((each) => each.name === name);

/** How far the download of a model is, and how it ended. */
function Fetching({ name }: { name: string }) {
  const download = downloadOf(name);
  if (download === undefined) return null;
  const { state, done, total, label, error } = download;
  if (state === "failed") return <small class="failed" role="alert">{said(error)}</small>;
  if (state === "cancelled") return <small>Cancelled. What has come is kept.</small>;
  if (state === "complete") return null;
  return (
    <div class="fetching">
      <progress aria-label={`Download of ${name}`} max={total ?? undefined} value={total === null ? undefined : done} />
      <small>{total === null ? label : `${bytes(done)} of ${bytes(total)}`}</small>
      <button type="button" onClick={() => void telling(manage("cancel", { name }).then(look))}>Cancel</button>
    </div>
  );
}

/** Any model of the hub. */
function ByName({ shelf }: { shelf: Shelf }) {
  const [name, setName] = useState("");
  const [wanted, setWanted] = useState("");
  return (
    <>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          setWanted(name.trim());
        }}
      >
        <input
          aria-label="Name of a model on the Hugging Face hub"
          placeholder="user/repository:Q4_K_M on the Hugging Face hub"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <button type="submit" disabled={!name.includes("/")}>Look it up</button>
      </form>
      {wanted !== "" && !shelf.installed.some((model) => model.name === wanted) && (
        <ul class="models">
          <ToFetch key={wanted} model={{ name: wanted, about: "on the Hugging Face hub", bytes: null, licence: null, fits: true, best: false }} />
        </ul>
      )}
      <p class="small">Models come from huggingface.co and are kept in {shelf.folder}, where {bytes(shelf.free)} are free.</p>
    </>
  );
}
