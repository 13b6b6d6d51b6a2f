// Notes are sent as they are written, one request at a time, and stay in this browser until the app has them on disk.

import { texts } from "./live_page.js";

const RETRY_MS = 2000;

let prefix = "";
let send = null;
// Calls whose notes are on their way.
const underWay = new Set();

function read(id) {
  try {
    return localStorage.getItem(prefix + id);
  } catch {
    return null;
  }
}

function write(id, text) {
  try {
    if (text === null) localStorage.removeItem(prefix + id);
    else localStorage.setItem(prefix + id, text);
  } catch {
    // Without storage the notes live in the page until they are sent.
  }
}

function fieldOf(id) {
  return [...document.querySelectorAll(".card")].find((card) => card.dataset.call === id)?.querySelector("[data-notes]");
}

function tell(id, words) {
  const state = fieldOf(id)?.closest(".card").querySelector("[data-notes-state]");
  if (!state) return;
  state.hidden = words === "";
  state.textContent = words;
}

function fit(field) {
  field.rows = Math.min(8, Math.max(1, field.value.split("\n").length));
}

async function push(id, text) {
  write(id, text);
  if (underWay.has(id)) return;
  underWay.add(id);
  const { kept } = await send(`/calls/${encodeURIComponent(id)}/notes`, { notes: text });
  underWay.delete(id);
  const newest = read(id) ?? text;
  if (kept && newest === text) {
    write(id, null);
    tell(id, texts.saved);
  } else {
    if (!kept) tell(id, texts.not_saved);
    setTimeout(() => push(id, read(id) ?? newest), kept ? 0 : RETRY_MS);
  }
}

// The next state of a card has the notes of the app; what is being written here is newer.
export function noteCarried(old, card) {
  const [before, after] = [old.querySelector("[data-notes]"), card.querySelector("[data-notes]")];
  const unsent = read(card.dataset.call);
  if (unsent !== null) after.value = unsent;
  else if (document.activeElement === before || underWay.has(card.dataset.call)) after.value = before.value;
  fit(after);
}

// Another page of this person has changed the notes.
export function notesFrom(card, text) {
  const field = card?.querySelector("[data-notes]");
  if (!field || document.activeElement === field || read(card.dataset.call) !== null) return;
  field.value = text;
  fit(field);
}

export function keepNotes(board, calls, sender) {
  prefix = `callfeed.notes.${board.dataset.desk}.`;
  send = sender;
  calls.addEventListener("input", (event) => {
    if (!event.target.matches("[data-notes]")) return;
    fit(event.target);
    push(event.target.closest(".card").dataset.call, event.target.value);
  });
  for (const field of calls.querySelectorAll("[data-notes]")) fit(field);
  // What an earlier page could not send.
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(prefix)) continue;
      const [id, text] = [key.slice(prefix.length), localStorage.getItem(key)];
      const field = fieldOf(id);
      if (field) {
        field.value = text;
        fit(field);
        push(id, text);
      }
    }
  } catch {
    // No storage, nothing left over.
  }
}
