// Keys for people who keep their hands on them, and the page that tells of them.

import { close, pin } from "./screen_pop_acts.js";
import { focused, showTab, visibleCards } from "./screen_pop_cards.js";

const board = document.querySelector(".board");
const search = document.getElementById("search");
const help = document.getElementById("keys");

function move(step) {
  const all = visibleCards();
  if (all.length === 0) return;
  const at = all.indexOf(focused());
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

// A card is closed only by who is on it; the other keys mean the first card if there is no such one.
const KEYS = {
  j: () => move(1),
  k: () => move(-1),
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
  "?": () => help.showModal(),
};

function onKey(event) {
  // The dialog has its own: Escape closes it, and Tab stays within.
  if (help.open) return;
  const field = event.target.matches?.("input, textarea, select");
  if (field && event.key === "Escape") {
    (event.target.closest(".card") ?? document.body).focus();
    event.target.blur();
    return;
  }
  // Keys that are written into a field are no commands.
  if (field || event.ctrlKey || event.metaKey || event.altKey) return;
  // A person can switch off the keys that write a sign; Escape is none.
  if (event.key.length === 1 && !("keys" in board.dataset)) return;
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act(focused() ?? visibleCards()[0]);
}

export function takeKeys() {
  document.addEventListener("keydown", onKey);
  document.getElementById("keys-open").addEventListener("click", () => help.showModal());
  // A click beside it closes it, too.
  help.addEventListener("click", (event) => event.target === help && help.close());
}
