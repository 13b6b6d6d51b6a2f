// Notes are sent as they are written, one request at a time, and stay in this browser until the app has them on disk. Each
// text goes with the one that it was begun from: of two that were begun from the same, the app keeps both. What it will never
// take is asked for once, and then shown to be copied.

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
// The app's answer when the notes were changed elsewhere meanwhile: both texts, as it keeps them.
const BOTH = 200;
const VERSION = "x-callfeed-version";

let prefix = "";
let basePrefix = "";
let savePrefix = "";
let send = null;
// The newest notes of each call that the app does not have yet.
const waiting = new Map();
// Calls whose notes are on their way, and what to wait for until they are kept or refused.
const underWay = new Map();
// Calls whose notes the app refused, and with which answer.
const refused = new Map();
// The text of the app that each field has, or is being changed from, with its version.
const known = new Map();
// A newer text of the app, where something is being written; it is looked at when that is kept.
const news = new Map();
// Names each save of this page.
const page = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");
let saves = 0;
// Calls whose notes were changed elsewhere while they were written here, until somebody begins to write again.
const joined = new Set();

function read(id) {
  try {
    return waiting.get(id) ?? localStorage.getItem(prefix + id);
  } catch {
    return null;
  }
}

function store(id, text) {
  try {
    if (text === null) {
      localStorage.removeItem(prefix + id);
      localStorage.removeItem(basePrefix + id);
      localStorage.removeItem(savePrefix + id);
    } else {
      localStorage.setItem(prefix + id, text);
      localStorage.setItem(basePrefix + id, knownOf(id).text);
    }
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

function ofApp(field) {
  return { text: field.defaultValue, version: Number(field.dataset.version) };
}

function knownOf(id) {
  const field = fieldOf(id);
  return known.get(id) ?? (field ? ofApp(field) : { text: "", version: 0 });
}

// What is written here is newer than what the app has.
function isWritten(id) {
  return waiting.has(id) || refused.has(id);
}

// Where a caret belongs when one text takes another's place.
export function caretIn(before, after, caret) {
  const least = Math.min(before.length, after.length);
  let start = 0;
  while (start < least && before[start] === after[start]) start += 1;
  if (caret <= start) return caret;
  let end = 0;
  while (end < least - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  return after.length - Math.min(end, before.length - caret);
}

// Puts a text into the field of a call; who is in it stays at their place.
function put(id, text) {
  const field = fieldOf(id);
  if (!field || field.value === text) return;
  const isHere = document.activeElement === field;
  const carets = [field.selectionStart, field.selectionEnd].map((caret) => caretIn(field.value, text, caret));
  field.value = text;
  if (isHere) field.setSelectionRange(...carets);
  fit(field);
}

// The app has a newer text than this page.
function learn(id, text, version) {
  if (version <= knownOf(id).version) return;
  if (isWritten(id)) {
    if (version > (news.get(id)?.version ?? 0)) news.set(id, { text, version });
    return;
  }
  known.set(id, { text, version });
  put(id, text);
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

// The app has a text of ours: alone, or with that of another page.
function taken(id, sent, text, version) {
  const now = waiting.get(id);
  if (text !== sent) joined.add(id);
  if (now === sent) {
    waiting.delete(id);
    forget(id);
    known.set(id, { text, version });
    put(id, text);
    const newer = news.get(id);
    if (newer) learn(id, newer.text, newer.version);
    news.delete(id);
  } else if (text.endsWith(sent)) {
    // What was written meanwhile goes on behind the other text.
    const more = text.slice(0, text.length - sent.length) + now;
    known.set(id, { text, version });
    waiting.set(id, more);
    store(id, more);
    put(id, more);
  } else {
    known.set(id, { text: sent, version });
  }
  tell(id, joined.has(id) ? texts.both_kept : texts.saved);
}

// A save of the newest notes. It has a name, by which the app knows one that it has done already, and stays in this browser
// until it is answered: also a page that is loaded anew sends it again as it was.
function begin(id, base = knownOf(id).text) {
  saves += 1;
  const save = { save: `${page}.${saves}`, base, notes: waiting.get(id) };
  try {
    localStorage.setItem(savePrefix + id, JSON.stringify(save));
  } catch {
    // Without storage this page alone knows it.
  }
  return save;
}

function unanswered(id) {
  try {
    return JSON.parse(localStorage.getItem(savePrefix + id));
  } catch {
    return null;
  }
}

function post(id, save, keepalive) {
  return send(`/calls/${encodeURIComponent(id)}/notes`, save, keepalive);
}

// Sends a save once; resolves to the answer's status, and to what the app has now if it has kept the notes.
async function sendOnce(id, save) {
  const { answer, status, kept } = await post(id, save);
  if (!kept) return { status };
  try {
    const text = status === BOTH ? await answer.text() : save.notes;
    return { status, text, version: Number(answer.headers.get(VERSION)) };
  } catch {
    // Half an answer is none.
    return { status: 0 };
  }
}

// Sends the newest notes of a call until the app has them, or says that it never will.
async function deliver(id) {
  // What got no answer is sent again as it was: the app may have it.
  let save = unanswered(id);
  while (waiting.has(id)) {
    save ??= begin(id);
    const sent = save.notes;
    const { status, text, version } = await sendOnce(id, save);
    if (text !== undefined) {
      taken(id, sent, text, version);
      save = null;
    } else if (!NEVER.has(status)) {
      tell(id, texts.not_saved);
      await pause(RETRY_MS);
    } else {
      if (waiting.get(id) === sent) {
        waiting.delete(id);
        refuse(id, sent, status);
      }
      save = null;
    }
  }
  underWay.delete(id);
}

function push(id, text) {
  waiting.set(id, text);
  store(id, text);
  if (!underWay.has(id)) underWay.set(id, deliver(id));
}

// Waits until nothing is on its way.
async function allNotesKept() {
  await Promise.all(underWay.values());
}

// A card has gone, from here or from elsewhere: what was not kept of its notes is asked for once more, and then shown.
export function notesLeft(id) {
  const text = read(id);
  if (text !== null && !noticeOf(id)) push(id, text);
}

// The next state of a card has the notes of the app; what is being written here, or was kept meanwhile, is newer.
export function noteCarried(old, card) {
  const id = card.dataset.call;
  const [before, after] = [old.querySelector("[data-notes]"), card.querySelector("[data-notes]")];
  const app = ofApp(after);
  const isOlder = app.version < knownOf(id).version;
  if (isWritten(id)) {
    learn(id, app.text, app.version);
    after.value = before.value;
  } else if (isOlder) {
    after.value = knownOf(id).text;
  } else {
    known.set(id, app);
  }
  fit(after);
  const [said, says] = [old.querySelector("[data-notes-state]"), card.querySelector("[data-notes-state]")];
  says.textContent = said.textContent;
  says.hidden = said.hidden;
}

// Notes of a call were changed, by this page or by another one of this person.
export function notesFrom({ id, notes, version }) {
  if (fieldOf(id)) learn(id, notes, version);
}

// What an earlier page could not send.
function sendLeftOver() {
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(prefix)) continue;
      const [id, text] = [key.slice(prefix.length), localStorage.getItem(key)];
      const base = localStorage.getItem(basePrefix + id) ?? "";
      known.set(id, { text: base, version: knownOf(id).version });
      put(id, text);
      push(id, text);
    }
  } catch {
    // No storage, nothing left over.
  }
}

// A page that goes takes its requests with it, and nobody may open another one here for long: what is newest goes in a
// request that outlives the page. The save that was on its way comes before it.
function sendLast() {
  for (const [id, text] of waiting) {
    const before = unanswered(id);
    post(id, before?.notes === text ? before : begin(id, before?.notes), true);
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
  basePrefix = `callfeed.notes-base.${board.dataset.desk}.`;
  savePrefix = `callfeed.notes-save.${board.dataset.desk}.`;
  send = sender;
  calls.addEventListener("input", (event) => {
    if (!event.target.matches("[data-notes]")) return;
    fit(event.target);
    push(event.target.closest(".card").dataset.call, event.target.value);
  });
  calls.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-notes]")) joined.delete(event.target.closest(".card").dataset.call);
  });
  document.querySelector("form.visitor")?.addEventListener("submit", beforeSignOut);
  addEventListener("pagehide", sendLast);
  for (const field of calls.querySelectorAll("[data-notes]")) fit(field);
  sendLeftOver();
}
