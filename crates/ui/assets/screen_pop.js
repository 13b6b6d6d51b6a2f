// Keeps the board in step with the app: the server sends whole cards of this person, this script puts them in their place.

import { appNow, count, fill, mayComeBack, setClock, showLink, showTimers, texts } from "./live_page.js";
import { allNotesKept, keepNotes, noteCarried, notesFrom, notesKept, notesLeft } from "./screen_pop_notes.js";
import { amendAlert, closeAlert, ring, setUpAlerts } from "./screen_pop_alerts.js";

const RETRY_MS = 1000;
const LOST_AFTER_MS = 1200;
const TICK_MS = 250;
// Cards of a tab that are shown at first; the others wait behind "N more".
const CARDS_SHOWN_MAX = 50;
// The app's answers when a colleague was faster, and when a card is gone already.
const TAKEN = 409;
const GONE = 404;
const LIVE = new Set(["waiting", "ringing", "answered"]);
const EMPTY = {
  active: [texts.empty_active, texts.empty_active_text],
  recent: [texts.empty_recent, texts.empty_recent_text],
  missed: [texts.empty_missed, texts.empty_missed_text],
};

const board = document.querySelector(".board");
const calls = document.getElementById("calls");
const say = document.getElementById("say");
const problemBox = document.getElementById("problem");
const problemText = document.getElementById("problem-text");
const operator = document.getElementById("operator");
const lost = document.getElementById("lost");
const search = document.getElementById("search");
const more = document.getElementById("more");
const settings = document.getElementById("settings");

let lostTimer = 0;
let source = null;
let tab = "active";
let shownMax = CARDS_SHOWN_MAX;
// Cards that wait for their notes before they close.
const closing = new Set();

function cards() {
  return [...calls.querySelectorAll(".card")];
}

function visibleCards() {
  return cards().filter((card) => !card.hidden);
}

function cardOf(id) {
  return cards().find((card) => card.dataset.call === id);
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.querySelectorAll(".card")];
}

// Sends what a person does; resolves to the answer's status, and whether it was kept.
async function send(path, fields) {
  const headers = { "x-callfeed-proof": board.dataset.proof };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: new URLSearchParams(fields), redirect: "manual" });
    return { status: answer.status, kept: answer.ok || answer.type === "opaqueredirect" };
  } catch {
    return { status: 0, kept: false };
  }
}

function notKept() {
  say.textContent = texts.not_kept;
  problemText.textContent = texts.not_kept;
  problemBox.hidden = false;
}

function tick() {
  showTimers();
  const due = cards().some((card) => !card.hidden && tab === "active" && !isIn(card, "active"));
  if (due) arrange();
}

function title() {
  const ringing = cards().filter((card) => card.dataset.phase === "ringing" || card.dataset.phase === "waiting");
  const talking = cards().find((card) => card.dataset.phase === "answered");
  if (ringing.length > 0) {
    document.title = fill(texts.ringing, { n: ringing.length, who: ringing[0].dataset.who });
  } else if (talking) {
    document.title = fill(texts.talking, { who: talking.dataset.who });
  } else {
    document.title = texts.document;
  }
}

// Whether a card stands in a tab. What is pinned or just over is among the active ones too.
function isIn(card, name) {
  if (name === "active") {
    const until = Number(card.dataset.until ?? 0);
    return card.dataset.tab === "active" || "pinned" in card.dataset || until > appNow();
  }
  return card.dataset.tab === name;
}

// Missed calls of one caller are one card, the newest; it tells how many there are.
function group(list) {
  const newest = new Map();
  const first = [];
  for (const card of list) {
    const key = card.dataset.caller ?? card.dataset.call;
    const others = newest.get(key);
    if (others) {
      others.push(card);
    } else {
      newest.set(key, [card]);
      first.push(card);
    }
  }
  for (const card of first) {
    const calls = newest.get(card.dataset.caller ?? card.dataset.call).length;
    const words = card.querySelector("[data-more]");
    words.hidden = calls < 2;
    words.textContent = count(texts.missed_calls, calls);
  }
  return first;
}

// What a search looks at: what stands on the card, the notes, and the outcome that was chosen.
function wordsOf(card) {
  const shown = [...card.querySelectorAll(".card-top, .card-main, .matches")].map((part) => part.textContent);
  const chosen = [...card.querySelectorAll("[data-notes], [data-code]")].map((field) => field.value);
  return [...shown, ...chosen].join(" ").toLowerCase();
}

function digitsOf(text) {
  return text.replaceAll(/\D/g, "");
}

// Whether a card has what is searched for. A number is found however it is written: with its country, as a machine writes
// it, or as it stands on the card.
function isFound(card, words) {
  const text = wordsOf(card);
  if (text.includes(words)) return true;
  const digits = /^[\d\s+().-]+$/.test(words) ? digitsOf(words) : "";
  const numbers = `${card.dataset.caller ?? ""}|${text}`.match(/\+?\(?\d[\d\s().-]*/g) ?? [];
  return digits !== "" && numbers.some((number) => digitsOf(number).includes(digits));
}

// Decides which cards are shown, and in which order.
function arrange() {
  const all = cards();
  const sorted = [...all].sort(
    (a, b) => ("pinned" in b.dataset) - ("pinned" in a.dataset) || Number(b.dataset.created) - Number(a.dataset.created),
  );
  // Moving a node takes the focus away, so only what stands wrong is moved.
  sorted.forEach((card, at) => {
    if (calls.children[at] !== card) calls.insertBefore(card, calls.children[at] ?? null);
  });
  const words = search.value.trim().toLowerCase();
  const found = (card) => words === "" || isFound(card, words);
  for (const badge of document.querySelectorAll("[data-count]")) {
    const inTab = sorted.filter((card) => isIn(card, badge.dataset.count));
    const cards = badge.dataset.count === "missed" ? group(inTab).length : inTab.length;
    badge.textContent = cards > 0 ? String(cards) : "";
  }
  for (const card of all) card.querySelector("[data-more]").hidden = true;
  let list = sorted.filter((card) => isIn(card, tab) && found(card));
  if (tab === "missed") list = group(list);
  const shown = new Set(list.slice(0, shownMax));
  for (const card of all) card.hidden = !shown.has(card);
  more.hidden = list.length <= shownMax;
  more.textContent = count(texts.more, Math.max(0, list.length - shownMax));
  const [head, text] = words === "" ? EMPTY[tab] : [texts.not_found, texts.not_found_text];
  document.getElementById("empty").hidden = shown.size > 0;
  document.getElementById("empty-title").textContent = head;
  document.getElementById("empty-text").textContent = text;
}

function settle() {
  arrange();
  tick();
  title();
}

function showTab(name) {
  tab = name;
  shownMax = CARDS_SHOWN_MAX;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === name));
  }
  arrange();
}

// What is being written on a card stays when its new state takes its place.
function carry(old, card) {
  noteCarried(old, card);
  const [before, after] = [old.querySelector("details"), card.querySelector("details")];
  if (!before || !after) return;
  after.open = before.open;
  for (const input of before.querySelectorAll("input:not([type=hidden])")) {
    const next = after.querySelector(`[name=${input.name}]`);
    if (input.value !== input.defaultValue) next.value = input.value;
  }
}

// Where the focus is on a card, to find it again on its next state; null if it is elsewhere.
function focusOn(card) {
  const at = document.activeElement;
  if (at === card) return (next) => next;
  if (!card.contains(at)) return null;
  for (const part of ["[data-dismiss]", "[data-pin]", "[data-claim]", "[data-log]", "[data-code]", "[data-notes]", "summary"]) {
    if (at.matches(part)) return (next) => next.querySelector(part) ?? next;
  }
  const same = (other) => other.name === at.name && (at.localName !== "button" || other.value === at.value);
  return (next) => [...next.querySelectorAll(at.localName)].find(same) ?? next;
}

// A card that has the focus keeps it when its new state takes its place.
function replace(old, card) {
  const find = focusOn(old);
  const caret = document.activeElement.selectionStart;
  carry(old, card);
  card.hidden = old.hidden;
  old.replaceWith(card);
  if (!find) return;
  const target = find(card);
  target.focus({ preventScroll: true });
  if (target.matches("input, textarea") && caret != null) target.setSelectionRange(caret, caret);
}

// Forms on cards are sent without leaving the page; the changed card comes by itself.
async function sendForm(event) {
  const form = event.target.closest("form[data-quiet]");
  if (!form) return;
  event.preventDefault();
  if (!(await send(form.action, new FormData(form, event.submitter))).kept) return notKept();
  form.closest("details")?.removeAttribute("open");
  form.closest(".card")?.focus({ preventScroll: true });
}

function show({ id, html, alert }) {
  const [card] = parse(html);
  if (!card) return;
  const old = cardOf(id);
  if (old) {
    if (old.dataset.say !== card.dataset.say) say.textContent = card.dataset.say;
    replace(old, card);
  } else {
    card.classList.add("new");
    say.textContent = card.dataset.say;
    calls.prepend(card);
  }
  if (alert) ring(card);
  else if (card.dataset.phase === "ringing" || card.dataset.phase === "waiting") amendAlert(card);
  else closeAlert(id);
  settle();
}

function snapshot({ cards: list }) {
  const before = new Map(cards().map((card) => [card.dataset.call, card.dataset.say]));
  const ids = new Set(list.map((item) => item.id));
  for (const card of cards()) {
    if (ids.has(card.dataset.call)) continue;
    card.remove();
    notesLeft(card.dataset.call);
  }
  let news = null;
  for (const item of list) {
    const [card] = parse(item.html);
    if (!card) continue;
    const old = cardOf(item.id);
    if (old) replace(old, card);
    else calls.append(card);
    if (LIVE.has(card.dataset.phase) && before.get(item.id) !== card.dataset.say) news ??= card;
    if (item.alert) ring(card);
    else amendAlert(card);
  }
  if (news) say.textContent = news.dataset.say;
  settle();
}

function remove(ids) {
  for (const id of ids) {
    closeAlert(id);
    cardOf(id)?.remove();
    notesLeft(id);
  }
  settle();
}

function setLink({ key, word, problem }) {
  showLink(key, word);
  problemText.textContent = problem ?? "";
  problemBox.hidden = !problem;
  // The page has the login address only if it was loaded with it.
  if ((key === "sign-in") === operator.hidden) location.reload();
}

// What closes with a card: among the missed calls, all of its caller stand on it.
function closedWith(card) {
  const caller = tab === "missed" ? card.dataset.caller : undefined;
  if (!caller) return [card];
  return cards().filter((other) => other.dataset.caller === caller && isIn(other, "missed"));
}

// Takes cards off the page. The focus goes on to the next one, unless the person is elsewhere by now.
function takeAway(ids) {
  const [all, closed] = [visibleCards(), cards().filter((card) => ids.includes(card.dataset.call))];
  const isHere = document.activeElement === document.body || closed.some((card) => card.contains(document.activeElement));
  const first = all.findIndex((card) => closed.includes(card));
  const next = all.slice(first + 1).find((card) => !closed.includes(card)) ?? all[first - 1];
  for (const card of closed) card.remove();
  if (isHere) next?.focus({ preventScroll: false });
  settle();
}

// The app takes notes of open cards only, so a card closes when its notes are kept; until then it says how they stand.
async function close(card) {
  const ids = closedWith(card).map((one) => one.dataset.call).filter((id) => !closing.has(id));
  for (const id of ids) closing.add(id);
  const may = await Promise.all(ids.map(notesKept));
  for (const id of ids) closing.delete(id);
  const done = ids.filter((_, at) => may[at]);
  takeAway(done);
  for (const id of done) {
    const { status, kept } = await send(`/calls/${encodeURIComponent(id)}/close`, {});
    if (!kept && status !== GONE) notKept();
  }
}

async function pin(card) {
  const pinned = !("pinned" in card.dataset);
  if (!(await send(`/calls/${encodeURIComponent(card.dataset.call)}/pin`, { pinned })).kept) notKept();
}

async function code(card, text) {
  if (!(await send(`/calls/${encodeURIComponent(card.dataset.call)}/code`, { code: text })).kept) notKept();
}

// Another page of this person has changed the settings.
function settingsFrom({ ticks, from, to }) {
  const set = new Set(ticks);
  for (const tick of settings.querySelectorAll("[type=checkbox]")) tick.checked = set.has(`${tick.name}=${tick.value}`);
  settings.elements.from.value = from;
  settings.elements.to.value = to;
  board.toggleAttribute("data-sound", set.has("sound=on"));
}

async function logAgain(card) {
  if (!(await send(`/calls/${encodeURIComponent(card.dataset.call)}/log`, {})).kept) notKept();
}

async function claim(card, wanted) {
  const { status, kept } = await send(`/calls/${encodeURIComponent(card.dataset.call)}/claim`, { claim: wanted });
  if (status === TAKEN) say.textContent = texts.taken;
  else if (!kept) notKept();
}

function move(step) {
  const all = visibleCards();
  if (all.length === 0) return;
  const at = all.indexOf(focused());
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

function focused() {
  return document.activeElement?.closest?.(".card");
}

// A card is closed only by who is on it; the other keys mean the first card if there is no such one.
const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  x: () => focused() && close(focused()),
  Escape: () => focused() && document.activeElement.blur(),
  p: (card) => card && pin(card),
  n: (card) => card?.querySelector("[data-notes]").focus(),
  c: (card) => card?.querySelector("[data-call-back]")?.click(),
  t: (card) => card?.querySelector("[data-claim]:not([data-theirs])")?.click(),
  1: () => showTab("active"),
  2: () => showTab("recent"),
  3: () => showTab("missed"),
  "/": () => search.focus(),
};

function onKey(event) {
  const field = event.target.matches?.("input, textarea, select");
  if (field && event.key === "Escape") {
    (event.target.closest(".card") ?? document.body).focus();
    event.target.blur();
    return;
  }
  // Keys that are written into a field are no commands.
  if (field || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act(focused() ?? visibleCards()[0]);
}

function alive() {
  clearTimeout(lostTimer);
  lostTimer = 0;
  lost.hidden = true;
}

function connect() {
  source = new EventSource("/events");
  const on = (name, handle) =>
    source.addEventListener(name, (event) => {
      const data = JSON.parse(event.data);
      if (data.now) setClock(data.now);
      handle(data);
    });
  source.onopen = alive;
  source.onerror = () => {
    lostTimer ||= setTimeout(() => {
      lost.hidden = false;
      showLink("lost", texts.reconnecting);
    }, LOST_AFTER_MS);
    // A closed source does not come back by itself: signed out, or too many pages.
    if (source.readyState === EventSource.CLOSED) setTimeout(again, RETRY_MS);
  };
  on("snapshot", snapshot);
  on("card", show);
  on("gone", (data) => remove(data.ids));
  on("notes", (data) => notesFrom(cardOf(data.id), data.notes));
  on("settings", settingsFrom);
  on("link", setLink);
  // Another page of this person has chosen a language.
  on("language", ({ tag }) => tag !== document.documentElement.lang && location.reload());
}

// Browsers open six connections to one address, so of the pages that nobody looks at one keeps its events, to ring; the
// others take them up again, and with them the truth, when somebody looks. A page with a lock is not frozen.
let isListener = !navigator.locks;
function follow() {
  const wanted = isListener || !document.hidden;
  if (wanted && !source) connect();
  if (!wanted && source) {
    source.close();
    source = null;
  }
}

async function again() {
  if (!(await mayComeBack("/calls/-", [401]))) return;
  source = null;
  follow();
}

calls.addEventListener("submit", sendForm);
calls.addEventListener("change", (event) => {
  if (event.target.matches("[data-code]")) code(event.target.closest(".card"), event.target.value);
});
calls.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (event.target.closest("[data-dismiss]")) close(card);
  if (event.target.closest("[data-pin]")) pin(card);
  const taking = event.target.closest("[data-claim]");
  if (taking) claim(card, taking.dataset.claim);
  if (event.target.closest("[data-log]")) logAgain(card);
});
document.getElementById("close-all").addEventListener("click", async () => {
  await allNotesKept();
  if (!(await send("/calls/close-finished", {})).kept) notKept();
});
settings.addEventListener("change", async () => {
  if (!settings.checkValidity()) return;
  const form = new FormData(settings);
  board.toggleAttribute("data-sound", form.has("sound"));
  if (!(await send("/settings", form)).kept) notKept();
});
more.addEventListener("click", () => {
  shownMax += CARDS_SHOWN_MAX;
  arrange();
});
search.addEventListener("input", arrange);
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => showTab(button.dataset.show));
}
document.addEventListener("keydown", onKey);
addEventListener("pagehide", () => source?.close());
setUpAlerts(board, send);
keepNotes(board, calls, send);
setInterval(tick, TICK_MS);
settle();
document.addEventListener("visibilitychange", follow);
navigator.locks?.request(`callfeed.desk.${board.dataset.desk}`, () => {
  isListener = true;
  follow();
  return new Promise(() => {});
});
follow();
