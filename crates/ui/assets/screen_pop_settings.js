// What a person chooses in the settings: sent at each change, put back where the app does not take it.

import { texts } from "./live_page.js";
import { notKept, send } from "./screen_pop_acts.js";

const board = document.querySelector(".board");
const settings = document.getElementById("settings");
const keysOpen = document.getElementById("keys-open");
const hoursSay = document.getElementById("hours-say");
const { from, to, hours } = settings.elements;

// What the app has, as far as the page knows.
let kept = new Map();
kept = state();
let newest = 0;

function areTimesWhole() {
  return from.value !== "" && to.value !== "";
}

// What each field says; of times that are not whole, the last ones that were.
function state() {
  const areWhole = areTimesWhole();
  const says = (field) => {
    if (field.type === "checkbox") return field.checked;
    return field.type === "time" && !areWhole ? kept.get(field) : field.value;
  };
  return new Map([...settings.elements].map((field) => [field, says(field)]));
}

function putBack() {
  for (const [field, says] of kept) {
    if (field.type === "checkbox") field.checked = says;
    else field.value = says;
  }
  heed();
}

// What the scripts go by is on the page at once, and what the hours mean beside them.
function heed() {
  const { sound, keys } = settings.elements;
  board.toggleAttribute("data-sound", sound.checked);
  board.toggleAttribute("data-keys", keys.checked);
  if (keys.checked) keysOpen.setAttribute("aria-keyshortcuts", "?");
  else keysOpen.removeAttribute("aria-keyshortcuts");
  const words = hoursWords();
  if (hoursSay.textContent !== words) hoursSay.textContent = words;
}

// Nothing where they say themselves what they mean.
function hoursWords() {
  if (!hours.checked) return "";
  if (!areTimesWhole()) return texts.hours_empty;
  if (!settings.querySelector("[name=day]:checked")) return texts.hours_no_day;
  if (from.value === to.value) return texts.hours_whole_day;
  return from.value > to.value ? texts.hours_next_day : "";
}

async function changed() {
  heed();
  const [mine, sent, form] = [++newest, state(), new FormData(settings)];
  for (const time of [from, to]) form.set(time.name, sent.get(time));
  const isKept = (await send("/settings", form)).kept;
  if (isKept) kept = sent;
  if (isKept || mine !== newest) return;
  putBack();
  notKept();
}

// Another page of this person has changed the settings.
export function settingsFrom(data) {
  const set = new Set(data.ticks);
  for (const tick of settings.querySelectorAll("[type=checkbox]")) tick.checked = set.has(`${tick.name}=${tick.value}`);
  // Times that are being written stay.
  if (areTimesWhole()) [from.value, to.value] = [data.from, data.to];
  kept = state().set(from, data.from).set(to, data.to);
  heed();
}

export function keepSettings() {
  settings.addEventListener("change", changed);
  heed();
}
