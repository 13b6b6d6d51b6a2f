// What a person does to cards, sent to the app; the changed card comes by the events.

import { texts } from "./live_page.js";
import { closeAlert } from "./screen_pop_alerts.js";
import { announce, cardOf, cards, isIn, settle, tabShown, visibleCards } from "./screen_pop_cards.js";

// The app's answers when a colleague was faster, and when a card is gone already.
const TAKEN = 409;
const GONE = 404;
// What closing changes on a card, until the app tells.
const CLOSING = ["tab", "until", "pinned", "closed"];

const board = document.querySelector(".board");

// Sends what a person does; resolves to the answer, its status, and whether it was kept.
// With `keepalive` a request outlives its page.
export async function send(path, fields, keepalive = false) {
  const headers = { "x-callfeed-proof": board.dataset.proof };
  const body = new URLSearchParams(fields);
  try {
    const answer = await fetch(path, { method: "POST", headers, body, redirect: "manual", keepalive });
    return { answer, status: answer.status, kept: answer.ok || answer.type === "opaqueredirect" };
  } catch {
    return { answer: null, status: 0, kept: false };
  }
}

export function notKept() {
  announce(texts.not_kept);
  const problem = document.getElementById("problem");
  document.getElementById("problem-text").textContent = texts.not_kept;
  problem.classList.replace("calm", "bad");
  problem.hidden = false;
}

function toCall(card, act, fields) {
  return send(`/calls/${encodeURIComponent(card.dataset.call)}/${act}`, fields);
}

// What closes with a card: among the missed calls, all of its caller stand on it.
function closedWith(card) {
  const caller = tabShown() === "missed" ? card.dataset.caller : undefined;
  if (!caller) return [card];
  return cards().filter((other) => other.dataset.caller === caller && isIn(other, "missed"));
}

// Shows cards as closed. The focus goes on to the next one, unless the person is elsewhere.
function leaveTab(closed, seenTo) {
  const all = visibleCards();
  const isHere = document.activeElement === document.body || closed.some((card) => card.contains(document.activeElement));
  const first = all.findIndex((card) => closed.includes(card));
  const next = all.slice(first + 1).find((card) => !closed.includes(card)) ?? all[first - 1];
  for (const card of closed) {
    if (seenTo || card.dataset.tab === "active") card.dataset.tab = "recent";
    card.dataset.closed = "";
    delete card.dataset.until;
    delete card.dataset.pinned;
    closeAlert(card.dataset.call);
  }
  settle();
  if (isHere) next?.focus({ preventScroll: false });
}

// A closed card leaves the active ones, and stands among the recent or missed ones with its notes. Closed among the missed
// ones it is seen to, and goes to the recent ones, where there is nothing to close.
export async function close(card) {
  if (tabShown() === "recent") return;
  const seenTo = tabShown() === "missed";
  const list = closedWith(card);
  const before = list.map((one) => CLOSING.map((name) => one.dataset[name]));
  leaveTab(list, seenTo);
  const answers = await Promise.all(list.map((one) => toCall(one, "close", { seen_to: seenTo })));
  list.forEach((one, at) => {
    if (answers[at].kept || answers[at].status === GONE) return;
    CLOSING.forEach((name, n) => {
      if (before[at][n] === undefined) delete one.dataset[name];
      else one.dataset[name] = before[at][n];
    });
    settle();
    notKept();
  });
}

export async function closeFinished() {
  if (!(await send("/calls/close-finished", {})).kept) notKept();
}

export async function pin(card) {
  const pinned = !("pinned" in card.dataset);
  if (!(await toCall(card, "pin", { pinned })).kept) notKept();
}

async function code(card, text) {
  if (!(await toCall(card, "code", { code: text })).kept) notKept();
}

async function logAgain(card) {
  if (!(await toCall(card, "log", {})).kept) notKept();
}

async function claim(card, wanted) {
  const { answer, status, kept } = await toCall(card, "claim", { claim: wanted });
  // Who was faster, by name.
  if (status === TAKEN) announce(await answer.text().catch(() => ""));
  else if (!kept) notKept();
}

// A contact that somebody is writing stays on the card, whatever comes to be known of the caller meanwhile.
export function keepForm(details, other, card) {
  const inputs = [...details.querySelectorAll("input:not([type=hidden])")];
  const isWritten = inputs.length > 0 && (details.open || inputs.some((input) => input.value !== input.defaultValue));
  if (!isWritten || "sent" in details.dataset) return;
  if (other) other.replaceWith(details);
  else card.append(details);
}

// Forms on cards are sent without leaving the page; the changed card comes by itself, perhaps before the answer.
async function sendForm(event) {
  const form = event.target.closest("form[data-quiet]");
  if (!form) return;
  event.preventDefault();
  const [id, details] = [form.closest(".card").dataset.call, form.closest("details")];
  const fields = new FormData(form, event.submitter);
  if (details) [details.open, details.dataset.sent] = [false, ""];
  const { kept } = await send(form.action, fields);
  if (details) delete details.dataset.sent;
  if (kept) {
    form.reset();
    cardOf(id)?.focus({ preventScroll: true });
    return;
  }
  const card = cardOf(id);
  if (details && card) {
    details.open = true;
    if (!details.isConnected) keepForm(details, card.querySelector(`details.${details.className}`), card);
  }
  notKept();
}

function onClick(event) {
  const card = event.target.closest(".card");
  if (event.target.closest("[data-dismiss]")) close(card);
  if (event.target.closest("[data-pin]")) pin(card);
  const taking = event.target.closest("[data-claim]");
  if (taking) claim(card, taking.dataset.claim);
  if (event.target.closest("[data-log]")) logAgain(card);
}

export function takeActs(calls) {
  calls.addEventListener("submit", sendForm);
  calls.addEventListener("click", onClick);
  calls.addEventListener("change", (event) => {
    if (event.target.matches("[data-code]")) code(event.target.closest(".card"), event.target.value);
  });
  document.getElementById("close-all").addEventListener("click", closeFinished);
}
