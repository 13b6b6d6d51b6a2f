// What a person chooses in the settings: sent at each change, put back where the app does not take it.

import { texts } from "./live_page.js";
import { notKept, send } from "./screen_pop_acts.js";

const board = document.querySelector(".board");
const settings = document.getElementById("settings");
const keysOpen = document.getElementById("keys-open");
const hoursSay = document.getElementById("hours-say");
const { from, to, hours } = settings.elements;

// What the app has, as far as the page knows.
let kept = state();
let newest = 0;

function state() {
  return [...settings.elements].map((field) => (field.type === "checkbox" ? field.checked : field.value));
}

function putBack() {
  [...settings.elements].forEach((field, at) => {
    if (field.type === "checkbox") field.checked = kept[at];
    else field.value = kept[at];
  });
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
  if (!from.value || !to.value) return texts.hours_empty;
  if (!settings.querySelector("[name=day]:checked")) return texts.hours_no_day;
  if (from.value === to.value) return texts.hours_whole_day;
  return from.value > to.value ? texts.hours_next_day : "";
}

async function changed() {
  heed();
  // Times that nothing goes by need not be whole.
  if (hours.checked && !settings.checkValidity()) return;
  const [mine, sent] = [++newest, state()];
  const isKept = (await send("/settings", new FormData(settings))).kept;
  if (isKept) kept = sent;
  if (isKept || mine !== newest) return;
  putBack();
  notKept();
}

// Another page of this person has changed the settings.
export function settingsFrom(data) {
  const set = new Set(data.ticks);
  for (const tick of settings.querySelectorAll("[type=checkbox]")) tick.checked = set.has(`${tick.name}=${tick.value}`);
  from.value = data.from;
  to.value = data.to;
  kept = state();
  heed();
}

export function keepSettings() {
  settings.addEventListener("change", changed);
  heed();
}
