// Keeps the board in step with the app: the server sends whole cards, this script puts them in their place.

const RETRY_MS = 1000;
const LOST_AFTER_MS = 1200;
const DISMISSED_MAX = 500;
const DISMISSED_KEY = "callfeed.dismissed";
const LIVE = new Set(["waiting", "ringing", "answered"]);

const board = document.querySelector(".board");
const calls = document.getElementById("calls");
const say = document.getElementById("say");
const link = document.getElementById("link");
const linkWord = document.getElementById("link-word");
const problemBox = document.getElementById("problem");
const problemText = document.getElementById("problem-text");
const lost = document.getElementById("lost");
const dismissed = new Set(readDismissed());

// The app's clock minus ours, so that timers agree with the app.
let clockLead = Number(board.dataset.now) - Date.now();
let lostTimer = 0;
let source = null;

function readDismissed() {
  try {
    return JSON.parse(sessionStorage.getItem(DISMISSED_KEY)) ?? [];
  } catch {
    return [];
  }
}

function cards() {
  return calls ? [...calls.querySelectorAll(".card")] : [];
}

function cardOf(id) {
  return cards().find((card) => card.dataset.call === id);
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.querySelectorAll(".card")];
}

function clockText(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function tick() {
  const now = Date.now() + clockLead;
  for (const timer of document.querySelectorAll("[data-since]")) {
    timer.textContent = clockText(Math.max(0, Math.floor((now - Number(timer.dataset.since)) / 1000)));
  }
}

function title() {
  const ringing = cards().filter((card) => card.dataset.phase === "ringing" || card.dataset.phase === "waiting");
  const talking = cards().find((card) => card.dataset.phase === "answered");
  if (ringing.length > 0) {
    document.title = `(${ringing.length}) ${ringing[0].dataset.who} is calling`;
  } else if (talking) {
    document.title = `On the phone: ${talking.dataset.who}`;
  } else {
    document.title = "Screen pop · Callfeed";
  }
}

function settle() {
  tick();
  title();
}

// What is being written on a card stays when its new state takes its place.
function carry(old, card) {
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
  if (at.matches("[data-dismiss]")) return (next) => next.querySelector("[data-dismiss]");
  if (at.matches("summary")) return (next) => next.querySelector("summary") ?? next;
  const same = (other) => other.name === at.name && (at.localName !== "button" || other.value === at.value);
  return (next) => [...next.querySelectorAll(at.localName)].find(same) ?? next;
}

// A card that has the focus keeps it when its new state takes its place.
function replace(old, card) {
  const find = focusOn(old);
  const caret = document.activeElement.selectionStart;
  carry(old, card);
  old.replaceWith(card);
  if (!find) return;
  const target = find(card);
  target.focus({ preventScroll: true });
  if (target.matches("input") && caret != null) target.setSelectionRange(caret, caret);
}

// Forms on cards are sent without leaving the page; the changed card comes by itself.
async function sendForm(event) {
  const form = event.target.closest("form[data-quiet]");
  if (!form) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect") throw new Error(String(answer.status));
    form.closest("details")?.removeAttribute("open");
    form.closest(".card")?.focus({ preventScroll: true });
  } catch {
    say.textContent = "This was not kept. Try again.";
    problemText.textContent = "This was not kept. Try again.";
    problemBox.hidden = false;
  }
}

function show({ id, position, html }) {
  const [card] = parse(html);
  if (!card || dismissed.has(id)) return;
  const old = cardOf(id);
  if (old) {
    if (old.dataset.say !== card.dataset.say) say.textContent = card.dataset.say;
    replace(old, card);
  } else {
    card.classList.add("new");
    say.textContent = card.dataset.say;
    // Dismissed cards are missing here, so the place is found by the ids that stand above.
    calls.insertBefore(card, cards()[visiblePosition(position)] ?? null);
  }
  settle();
}

let order = [];
function visiblePosition(position) {
  return order.slice(0, position).filter((id) => cardOf(id)).length;
}

function snapshot({ cards: list }) {
  const before = new Map(cards().map((card) => [card.dataset.call, card.dataset.say]));
  order = list.map((item) => item.id);
  const focused = document.activeElement?.closest?.(".card")?.dataset.call;
  const fresh = list.filter((item) => !dismissed.has(item.id)).flatMap((item) => parse(item.html));
  for (const card of fresh) {
    const old = cardOf(card.dataset.call);
    if (old) carry(old, card);
  }
  calls.replaceChildren(...fresh);
  if (focused) cardOf(focused)?.focus({ preventScroll: true });
  const news = fresh.find((card) => LIVE.has(card.dataset.phase) && before.get(card.dataset.call) !== card.dataset.say);
  if (news) say.textContent = news.dataset.say;
  settle();
}

function setLink({ key, word, problem }) {
  link.dataset.link = key;
  if (linkWord.textContent !== word) linkWord.textContent = word;
  problemText.textContent = problem ?? "";
  problemBox.hidden = !problem;
}

function dismiss(card) {
  const next = card.nextElementSibling ?? card.previousElementSibling;
  dismissed.add(card.dataset.call);
  card.remove();
  next?.focus({ preventScroll: false });
  try {
    sessionStorage.setItem(DISMISSED_KEY, JSON.stringify([...dismissed].slice(-DISMISSED_MAX)));
  } catch {
    // Without storage a dismissed card comes back with the next load of the page; no harm.
  }
  settle();
}

function move(step) {
  const all = cards();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement?.closest?.(".card"));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  // Keys that are written into a field are no commands.
  if (event.target.matches?.("input, textarea, select")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const card = document.activeElement?.closest?.(".card");
  switch (event.key) {
    case "j":
    case "ArrowDown":
      move(1);
      break;
    case "k":
    case "ArrowUp":
      move(-1);
      break;
    case "x":
    case "Escape": {
      const target = card ?? cards()[0];
      if (target) dismiss(target);
      break;
    }
    default:
      return;
  }
  event.preventDefault();
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
      if (data.now) clockLead = data.now - Date.now();
      handle(data);
    });
  source.onopen = alive;
  source.onerror = () => {
    lostTimer ||= setTimeout(() => {
      lost.hidden = false;
      setLink({ key: "lost", word: "Reconnecting" });
    }, LOST_AFTER_MS);
    // A closed source does not come back by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  };
  on("snapshot", (data) => (calls ? snapshot(data) : undefined));
  on("card", (data) => {
    if (!calls) return;
    order = order.filter((id) => id !== data.id);
    order.splice(data.position, 0, data.id);
    show(data);
    for (const id of data.gone) {
      order = order.filter((other) => other !== id);
      cardOf(id)?.remove();
    }
  });
  on("link", (data) => {
    // Signed in or signed out: the page itself is another one.
    if ((data.key === "sign-in") === Boolean(calls)) location.reload();
    else setLink(data);
  });
}

calls?.addEventListener("submit", sendForm);
calls?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dismiss]");
  if (button) dismiss(button.closest(".card"));
});
document.addEventListener("keydown", onKey);
addEventListener("pagehide", () => source?.close());
// A page that comes back from the browser's memory is out of date.
addEventListener("pageshow", (event) => event.persisted && location.reload());
for (const card of cards()) if (dismissed.has(card.dataset.call)) card.remove();
order = cards().map((card) => card.dataset.call);
setInterval(tick, 250);
settle();
connect();
