// Notes are sent as they are written, one request at a time, and stay in this browser until the app has them on disk. Each
// save says which page wrote it, its number there and the text that it was begun from: one that comes twice or too late
// changes nothing, and of two pages' texts that were begun from the same, the app keeps both. What it will never take is asked
// for once, and then shown to be copied.

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
// Stands between the texts of two pages.
const BETWEEN = "\n---\n";

// What this page keeps in the browser is under the name of the page: another one may write of the same call.
const page = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");
let prefix = "";
let send = null;
let saves = 0;
// The newest save of each call that the app does not have yet.
const waiting = new Map();
// Calls whose notes are on their way, and what to wait for until they are kept or refused.
const underWay = new Map();
// The same of what earlier pages could not send.
const leftOver = new Map();
// Notes that the app refused, and with which answer.
const refused = new Map();
// The text of the app that each field has, or is being changed from, with its version.
const known = new Map();
// A newer text of the app, where something is being written; it is looked at when that is kept.
const news = new Map();
// Calls whose notes were changed elsewhere while they were written here, until somebody begins to write again.
const joined = new Set();

function keyOf(id) {
  return `${prefix}${page}.${id}`;
}

function store(id, save) {
  try {
    if (save === null) localStorage.removeItem(keyOf(id));
    else localStorage.setItem(keyOf(id), JSON.stringify(save));
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
  return waiting.has(id) || leftOver.has(id) || refused.has(id);
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

function refuse(id, save, status) {
  if (save.notes === "") return forget(id);
  refused.set(id, { notes: save.notes, status });
  store(id, save);
  if (status === TOO_LONG && fieldOf(id)) return tell(id, NEVER.get(status));
  tell(id, "");
  showUnkept(id, save.notes, NEVER.get(status));
}

// Another page's text stands beside what was sent, and not in its place.
function isOfTwo(sent, text) {
  return text !== sent.notes && text.includes(BETWEEN);
}

// The app has a text, and nothing newer is written here.
function settle(id, text, version) {
  known.set(id, { text, version });
  put(id, text);
  const newer = news.get(id);
  news.delete(id);
  if (newer) learn(id, newer.text, newer.version);
}

// The app has a text of ours: alone, or with that of another page.
function taken(id, sent, text, version) {
  const now = waiting.get(id);
  if (isOfTwo(sent, text)) joined.add(id);
  if (now === sent) {
    waiting.delete(id);
    forget(id);
    settle(id, text, version);
  } else if (text.endsWith(sent.notes)) {
    // What was written meanwhile goes on behind the other text.
    const more = text.slice(0, text.length - sent.notes.length) + now.notes;
    known.set(id, { text, version });
    begin(id, more);
    put(id, more);
  } else {
    known.set(id, { text: sent.notes, version });
    begin(id, now.notes);
  }
  tell(id, joined.has(id) ? texts.both_kept : texts.saved);
}

// The newest notes, and what they were begun from.
function begin(id, notes) {
  saves += 1;
  const save = { page, save: saves, base: knownOf(id).text, notes };
  waiting.set(id, save);
  store(id, save);
}

function post(id, save, keepalive) {
  return send(`/calls/${encodeURIComponent(id)}/notes`, save, keepalive);
}

// Sends a save until there is an answer that stays: resolves to its status, and to what the app has now if it has kept it.
async function sendSurely(id, save) {
  for (;;) {
    const { answer, status, kept } = await post(id, save);
    try {
      if (kept) {
        const text = status === BOTH ? await answer.text() : save.notes;
        return { status, text, version: Number(answer.headers.get(VERSION)) };
      }
    } catch {
      // Half an answer is none.
    }
    if (NEVER.has(status)) return { status };
    tell(id, texts.not_saved);
    await pause(RETRY_MS);
  }
}

// Sends the newest notes of a call until the app has them, or says that it never will.
async function deliver(id) {
  await leftOver.get(id);
  while (waiting.has(id)) {
    const save = waiting.get(id);
    const { status, text, version } = await sendSurely(id, save);
    if (text !== undefined) taken(id, save, text, version);
    else if (waiting.get(id) === save) {
      waiting.delete(id);
      refuse(id, save, status);
    }
  }
  underWay.delete(id);
}

function push(id, text) {
  begin(id, text);
  if (!underWay.has(id)) underWay.set(id, deliver(id));
}

// Waits until nothing is on its way.
async function allNotesKept() {
  await Promise.all([...leftOver.values(), ...underWay.values()]);
}

// A card has gone, from here or from elsewhere: what was not kept of its notes is asked for once more, and then shown.
export function notesLeft(id) {
  const text = refused.get(id)?.notes;
  if (text !== undefined && !noticeOf(id)) push(id, text);
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

// Sends what an earlier page could not, as that page would: if it is still open, the app does it once all the same.
async function carryOver(key, kept, id, save) {
  const outcome = await sendSurely(id, save);
  try {
    // A page that is still open may have written more.
    if (localStorage.getItem(key) === kept) localStorage.removeItem(key);
  } catch {
    // It is asked for again by the next page.
  }
  return outcome;
}

function carriedOver(id, save, { status, text, version }) {
  if (text === undefined) return refuse(id, save, status);
  if (isWritten(id)) return;
  settle(id, text, version);
  tell(id, isOfTwo(save, text) ? texts.both_kept : texts.saved);
}

// What earlier pages kept: the name of the page, a full stop and the call; the notes alone if it is of an earlier version.
function savesOfEarlierPages() {
  const found = [];
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(prefix)) continue;
      const kept = localStorage.getItem(key);
      const id = key.slice(prefix.length).split(".").at(-1);
      try {
        const save = JSON.parse(kept);
        found.push([key, kept, id, { ...save, notes: save.notes.toString() }]);
      } catch {
        found.push([key, kept, id, { base: "", notes: kept }]);
      }
    }
  } catch {
    // No storage, nothing left over.
  }
  return found;
}

function sendLeftOver() {
  for (const [key, kept, id, save] of savesOfEarlierPages()) {
    known.set(id, { text: save.notes, version: knownOf(id).version });
    put(id, save.notes);
    const before = leftOver.get(id);
    const work = (async () => {
      await before;
      const outcome = await carryOver(key, kept, id, save);
      // The last one of a call has them all.
      if (leftOver.get(id) === work) leftOver.delete(id);
      carriedOver(id, save, outcome);
    })();
    leftOver.set(id, work);
  }
}

// A page that goes takes its requests with it, and nobody may open another one here for long: what is newest goes in a
// request that outlives the page.
function sendLast() {
  for (const [id, save] of waiting) post(id, save, true);
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
  calls.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-notes]")) joined.delete(event.target.closest(".card").dataset.call);
  });
  document.querySelector("form.visitor")?.addEventListener("submit", beforeSignOut);
  addEventListener("pagehide", sendLast);
  for (const field of calls.querySelectorAll("[data-notes]")) fit(field);
  sendLeftOver();
}
