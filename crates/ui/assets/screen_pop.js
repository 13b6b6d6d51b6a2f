// Keeps the board in step with the app: the server sends whole cards of this person, this script puts them in their place.

import { mayComeBack, setClock, showLink, texts } from "./live_page.js";
import { keepForm, send, takeActs } from "./screen_pop_acts.js";
import { amendAlert, closeAlert, ring, setUpAlerts } from "./screen_pop_alerts.js";
import { announce, cardOf, cards, parse, settle, tick, unsay } from "./screen_pop_cards.js";
import { takeKeys } from "./screen_pop_keys.js";
import { caretIn, keepNotes, noteCarried, notesFrom, notesLeft } from "./screen_pop_notes.js";
import { keepSettings, settingsFrom } from "./screen_pop_settings.js";

const RETRY_MS = 1000;
const LOST_AFTER_MS = 1200;
const TICK_MS = 250;
const LIVE = new Set(["waiting", "ringing", "answered"]);

const board = document.querySelector(".board");
const calls = document.getElementById("calls");
const problemBox = document.getElementById("problem");
const problemText = document.getElementById("problem-text");
const operator = document.getElementById("operator");
const lost = document.getElementById("lost");
// Pages that have no events of their own learn of a sign-out here.
const siblings = new BroadcastChannel(`callfeed.desk.${board.dataset.desk}`);

let lostTimer = 0;
let source = null;
let isLeaving = false;

// What is being written on a card stays when its new state takes its place.
function carry(old, card) {
  noteCarried(old, card);
  for (const before of old.querySelectorAll("details")) {
    const after = card.querySelector(`details.${before.className}`);
    if (after?.dataset.form !== before.dataset.form) {
      keepForm(before, after, card);
      continue;
    }
    if (!after) continue;
    after.open = before.open;
    for (const input of before.querySelectorAll("input:not([type=hidden])")) {
      const next = after.querySelector(`[name=${input.name}]`);
      if (input.value !== input.defaultValue) next.value = input.value;
    }
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
  const field = document.activeElement;
  const caret = field.selectionStart;
  carry(old, card);
  card.hidden = old.hidden;
  old.replaceWith(card);
  if (!find) return;
  const target = card.contains(field) ? field : find(card);
  target.focus({ preventScroll: true });
  if (!target.matches("input, textarea") || caret == null) return;
  const place = caretIn(field.value, target.value, caret);
  target.setSelectionRange(place, place);
}

function tellAlert(card, alert) {
  const rings = card.dataset.phase === "ringing" || card.dataset.phase === "waiting";
  if (alert) ring(card);
  else if (rings && !("closed" in card.dataset)) amendAlert(card);
  else closeAlert(card.dataset.call);
}

function show({ id, html, alert }) {
  const [card] = parse(html);
  if (!card) return;
  const old = cardOf(id);
  if (old) {
    if (old.dataset.say !== card.dataset.say) announce(card.dataset.say, id);
    replace(old, card);
  } else {
    card.classList.add("new");
    announce(card.dataset.say, id);
    calls.prepend(card);
  }
  tellAlert(card, alert);
  settle();
}

// Of what has changed meanwhile, the newest call under way is said, else one that was and is over.
function newsOf(list, before) {
  const changed = list.filter((card) => before.get(card.dataset.call)?.say !== card.dataset.say);
  const live = changed.find((card) => LIVE.has(card.dataset.phase));
  return live ?? changed.find((card) => LIVE.has(before.get(card.dataset.call)?.phase));
}

function snapshot({ cards: list }) {
  const before = new Map(cards().map((card) => [card.dataset.call, { ...card.dataset }]));
  const ids = new Set(list.map((item) => item.id));
  takeOff([...before.keys()].filter((id) => !ids.has(id)));
  const shown = [];
  for (const item of list) {
    const [card] = parse(item.html);
    if (!card) continue;
    const old = cardOf(item.id);
    if (old) replace(old, card);
    else calls.append(card);
    tellAlert(card, item.alert);
    shown.push(card);
  }
  const news = newsOf(shown, before);
  if (news) announce(news.dataset.say, news.dataset.call);
  settle();
}

function takeOff(ids) {
  for (const id of ids) {
    closeAlert(id);
    unsay(id);
    cardOf(id)?.remove();
    notesLeft(id);
  }
}

function remove({ ids }) {
  takeOff(ids);
  settle();
}

function setLink({ key, word, problem }) {
  showLink(key, word);
  const mends = "mends" in board.dataset;
  problemText.textContent = problem ?? "";
  // Red is what the person can mend; whom to ask is told calmly, and once.
  problemBox.hidden = !problem || (key === "sign-in" && !mends);
  problemBox.classList.toggle("bad", mends);
  problemBox.classList.toggle("calm", !mends);
  // The page has the login address only if it was loaded with it.
  if ((key === "sign-in") === operator.hidden) location.reload();
}

// This browser has signed out: no page of it shows calls any more. The page on which that was done goes by itself.
function signedOut() {
  siblings.postMessage("signed-out");
  if (!isLeaving) location.reload();
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
  on("gone", remove);
  on("notes", notesFrom);
  on("settings", settingsFrom);
  on("link", setLink);
  on("signed-out", signedOut);
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

siblings.onmessage = () => !isLeaving && location.reload();
document.querySelector("form.visitor")?.addEventListener("submit", () => {
  isLeaving = true;
});
addEventListener("pagehide", () => source?.close());
takeActs(calls);
takeKeys();
setUpAlerts(board, send);
keepNotes(board, calls, send);
keepSettings();
setInterval(tick, TICK_MS);
settle();
document.addEventListener("visibilitychange", follow);
navigator.locks?.request(`callfeed.desk.${board.dataset.desk}`, () => {
  isListener = true;
  follow();
  return new Promise(() => {});
});
follow();
