// The cards of the page: which of them are shown, in which order, and what is said of them. It asks the app for nothing.

import { appNow, count, fill, showTimers, texts } from "./live_page.js";

// Cards of a tab that are shown at first; the others wait behind "N more".
const CARDS_SHOWN_MAX = 50;
// What was said for screen readers does not stand there for ever: by then it may be true no more.
const SAID_MS = 20000;
const EMPTY = {
  active: [texts.empty_active, texts.empty_active_text],
  recent: [texts.empty_recent, texts.empty_recent_text],
  missed: [texts.empty_missed, texts.empty_missed_text],
};

const calls = document.getElementById("calls");
const say = document.getElementById("say");
const search = document.getElementById("search");
const more = document.getElementById("more");
const empty = document.getElementById("empty");
const badges = document.querySelectorAll("[data-count]");

let tab = "active";
let shownMax = CARDS_SHOWN_MAX;
// Of which call the last words were, and until when they stand.
let said = null;
let saidTimer = 0;

export function cards() {
  return [...calls.querySelectorAll(".card")];
}

export function visibleCards() {
  return cards().filter((card) => !card.hidden);
}

export function cardOf(id) {
  return calls.querySelector(`.card[data-call="${CSS.escape(id)}"]`) ?? undefined;
}

export function focused() {
  return document.activeElement?.closest?.(".card");
}

export function tabShown() {
  return tab;
}

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.querySelectorAll(".card")];
}

// Says words to screen readers; of a call, if they are of one.
export function announce(words, id = null) {
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => unsay(said), SAID_MS);
  said = id;
  say.textContent = words;
}

// What was said of this call is true no more.
export function unsay(id) {
  if (said !== id) return;
  said = null;
  say.textContent = "";
}

export function tick() {
  showTimers();
  const due = cards().some((card) => !card.hidden && tab === "active" && !isIn(card, "active"));
  if (due) arrange();
}

function titleWords() {
  const open = cards().filter((card) => !("closed" in card.dataset));
  const ringing = open.filter((card) => card.dataset.phase === "ringing" || card.dataset.phase === "waiting");
  const talking = open.find((card) => card.dataset.phase === "answered");
  if (ringing.length > 0) return fill(texts.ringing, { n: ringing.length, who: ringing[0].dataset.who });
  return talking ? fill(texts.talking, { who: talking.dataset.who }) : texts.document;
}

function title() {
  const words = titleWords();
  if (document.title !== words) document.title = words;
}

// Whether a card stands in a tab. What is pinned or just over is among the active ones too.
export function isIn(card, name) {
  if (name === "active") {
    const until = Number(card.dataset.until ?? 0);
    return card.dataset.tab === "active" || "pinned" in card.dataset || until > appNow();
  }
  return card.dataset.tab === name;
}

// The calls of each caller, the newest first.
function byCaller(list) {
  const groups = new Map();
  for (const card of list) {
    const key = card.dataset.caller ?? card.dataset.call;
    if (groups.has(key)) groups.get(key).push(card);
    else groups.set(key, [card]);
  }
  return [...groups.values()];
}

// A page is laid out anew for what is written to it, even if it is the same.
function write(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

function hide(node, isHidden) {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

// Missed calls of one caller are one card, the newest; it tells how many there are.
function grouped(list) {
  return byCaller(list).map((of) => {
    const words = of[0].querySelector("[data-more]");
    hide(words, of.length < 2);
    write(words, count(texts.missed_calls, of.length));
    return of[0];
  });
}

// What a search looks at: what stands on the card, the notes, and the outcome that was chosen.
function wordsOf(card) {
  const shown = [...card.querySelectorAll(".card-top, .card-main")].map((part) => part.textContent);
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

// A call that rings goes before what is pinned, and that before the others, the newest first.
function rankOf(card) {
  if (card.dataset.phase === "ringing") return 2;
  return Number("pinned" in card.dataset);
}

// Puts the cards in their order. Moving a node takes the focus away, so only what stands wrong is moved.
function sorted() {
  const list = cards().sort(
    (a, b) => rankOf(b) - rankOf(a) || Number(b.dataset.created) - Number(a.dataset.created),
  );
  list.forEach((card, at) => {
    if (calls.children[at] !== card) calls.insertBefore(card, calls.children[at] ?? null);
  });
  return list;
}

function showEmpty(isEmpty, words) {
  const [head, text] = words === "" ? EMPTY[tab] : [texts.not_found, texts.not_found_text];
  hide(empty, !isEmpty);
  write(document.getElementById("empty-title"), head);
  write(document.getElementById("empty-text"), text);
}

// Decides which cards are shown, and in which order. While somebody searches, the numbers on the tabs tell what each has.
export function arrange() {
  const all = sorted();
  const words = search.value.trim().toLowerCase();
  const found = new Set(all.filter((card) => words === "" || isFound(card, words)));
  for (const badge of badges) {
    const of = badge.dataset.count;
    // Calls that have ended stand among the active ones for their notes, and are not counted there.
    const counts = (card) => isIn(card, of) && found.has(card) && (of !== "active" || card.classList.contains("live"));
    const inTab = all.filter(counts);
    const cards = of === "missed" ? byCaller(inTab).length : inTab.length;
    write(badge, cards > 0 ? String(cards) : "");
  }
  for (const words of calls.querySelectorAll("[data-more]:not([hidden])")) words.hidden = true;
  let list = all.filter((card) => isIn(card, tab) && found.has(card));
  if (tab === "missed") list = grouped(list);
  const shown = new Set(list.slice(0, shownMax));
  for (const card of all) hide(card, !shown.has(card));
  hide(more, list.length <= shownMax);
  if (list.length > shownMax) write(more, count(texts.more, list.length - shownMax));
  showEmpty(shown.size === 0, words);
}

export function settle() {
  arrange();
  tick();
  title();
}

export function showTab(name) {
  tab = name;
  shownMax = CARDS_SHOWN_MAX;
  calls.dataset.tab = name;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === name));
  }
  arrange();
}

more.addEventListener("click", () => {
  shownMax += CARDS_SHOWN_MAX;
  arrange();
});
search.addEventListener("input", arrange);
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => showTab(button.dataset.show));
}
