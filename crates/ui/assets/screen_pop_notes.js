// Notes are sent as they are written, one request at a time, and stay in this browser until the app has them on disk. What
// it will never take is asked for once, and then shown to be copied.

import { texts } from "./live_page.js";

const RETRY_MS = 2000;
// Who signs out waits no longer for notes on their way; what is not sent by then is sent at the next sign-in here.
const SIGN_OUT_WAIT_MS = 3000;
// Answers that no later try changes: the call is not there any more, the notes are too long.
const NEVER = new Map([
  [404, texts.note_gone],
  [413, texts.note_too_long],
]);
const TOO_LONG = 413;

let prefix = "";
let send = null;
// The newest notes of each call that the app does not have yet.
const waiting = new Map();
// Calls whose notes are on their way, and what to wait for until they are kept or refused.
const underWay = new Map();
// Calls whose notes the app refused, and with which answer.
const refused = new Map();

function read(id) {
  try {
    return waiting.get(id) ?? localStorage.getItem(prefix + id);
  } catch {
    return null;
  }
}

function store(id, text) {
  try {
    if (text === null) localStorage.removeItem(prefix + id);
    else localStorage.setItem(prefix + id, text);
  } catch {
    // Without storage the notes live in the page until they are sent.
  }
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
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

function forget(id) {
  refused.delete(id);
  store(id, null);
  noticeOf(id)?.remove();
}

function noticeOf(id) {
  return [...document.querySelectorAll("#unkept > .notice")].find((notice) => notice.dataset.of === id);
}

// Notes that no card has room for any more, in words, with their text to copy.
function showUnkept(id, text, words) {
  let notice = noticeOf(id);
  if (!notice) {
    notice = document.getElementById("unkept-note").content.firstElementChild.cloneNode(true);
    notice.dataset.of = id;
    notice.querySelector("button").addEventListener("click", () => forget(id));
    document.getElementById("unkept").append(notice);
  }
  notice.querySelector("p").textContent = words;
  notice.querySelector("textarea").value = text;
}

function refuse(id, text, status) {
  if (text === "") return forget(id);
  refused.set(id, status);
  if (status === TOO_LONG && fieldOf(id)) return tell(id, NEVER.get(status));
  tell(id, "");
  showUnkept(id, text, NEVER.get(status));
}

// Sends the newest notes of a call until the app has them, or says that it never will.
async function deliver(id) {
  while (waiting.has(id)) {
    const text = waiting.get(id);
    const { status, kept } = await send(`/calls/${encodeURIComponent(id)}/notes`, { notes: text });
    const isNewest = waiting.get(id) === text;
    if (isNewest && (kept || NEVER.has(status))) waiting.delete(id);
    if (isNewest && kept) {
      forget(id);
      tell(id, texts.saved);
    } else if (isNewest && NEVER.has(status)) {
      refuse(id, text, status);
    } else if (!kept && !NEVER.has(status)) {
      tell(id, texts.not_saved);
      await pause(RETRY_MS);
    }
  }
  underWay.delete(id);
}

function push(id, text) {
  waiting.set(id, text);
  store(id, text);
  if (!underWay.has(id)) underWay.set(id, deliver(id));
}

// Waits until nothing of a call's notes is on its way; resolves to whether its card may go: the notes are kept, or stand
// above the cards.
export async function notesKept(id) {
  if (underWay.has(id)) tell(id, texts.saving);
  await underWay.get(id);
  return refused.get(id) !== TOO_LONG || !fieldOf(id);
}

// The same for all calls.
export async function allNotesKept() {
  await Promise.all([...underWay.keys()].map(notesKept));
}

// A card has gone, from here or from elsewhere: what was not kept of its notes is asked for once more, and then shown.
export function notesLeft(id) {
  const text = read(id);
  if (text !== null && !noticeOf(id)) push(id, text);
}

// The next state of a card has the notes of the app; what is being written here is newer.
export function noteCarried(old, card) {
  const [before, after] = [old.querySelector("[data-notes]"), card.querySelector("[data-notes]")];
  const unsent = read(card.dataset.call);
  if (unsent !== null) after.value = unsent;
  else if (document.activeElement === before) after.value = before.value;
  fit(after);
  const [said, says] = [old.querySelector("[data-notes-state]"), card.querySelector("[data-notes-state]")];
  says.textContent = said.textContent;
  says.hidden = said.hidden;
}

// Another page of this person has changed the notes.
export function notesFrom(card, text) {
  const field = card?.querySelector("[data-notes]");
  if (!field || document.activeElement === field || read(card.dataset.call) !== null) return;
  field.value = text;
  fit(field);
}

// What an earlier page could not send.
function sendLeftOver() {
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(prefix)) continue;
      const [id, text] = [key.slice(prefix.length), localStorage.getItem(key)];
      const field = fieldOf(id);
      if (field) {
        field.value = text;
        fit(field);
      }
      push(id, text);
    }
  } catch {
    // No storage, nothing left over.
  }
}

// Nothing that the app has, or has refused and the person has seen, stays in a browser that others may use.
async function beforeSignOut(event) {
  event.preventDefault();
  await Promise.race([allNotesKept(), pause(SIGN_OUT_WAIT_MS)]);
  for (const id of [...refused.keys()]) forget(id);
  event.target.submit();
}

export function keepNotes(board, calls, sender) {
  prefix = `callfeed.notes.${board.dataset.desk}.`;
  send = sender;
  calls.addEventListener("input", (event) => {
    if (!event.target.matches("[data-notes]")) return;
    fit(event.target);
    push(event.target.closest(".card").dataset.call, event.target.value);
  });
  document.querySelector("form.visitor")?.addEventListener("submit", beforeSignOut);
  for (const field of calls.querySelectorAll("[data-notes]")) fit(field);
  sendLeftOver();
}
