// What the pages of the desk share: their texts, the app's clock, and how they stand with the app.

const page = document.querySelector("[data-texts]");
const language = document.documentElement.lang;
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
const link = document.getElementById("link");
const linkWord = document.getElementById("link-word");

// What scripts say, in the language of the page.
export const texts = JSON.parse(page.dataset.texts);

// The app's clock minus ours, so that timers agree with the app.
let clockLead = Number(page.dataset.now) - Date.now();

export function fill(text, values) {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

export function count(forms, n) {
  return fill(forms[plurals.select(n)] ?? forms.other, { n: numbers.format(n) });
}

export function setClock(now) {
  clockLead = now - Date.now();
}

export function appNow() {
  return Date.now() + clockLead;
}

function clockText(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function showTimers() {
  const now = appNow();
  for (const timer of page.querySelectorAll("[data-since]")) {
    const words = clockText(Math.max(0, Math.floor((now - Number(timer.dataset.since)) / 1000)));
    if (timer.textContent !== words) timer.textContent = words;
  }
}

export function showLink(key, word) {
  link.dataset.link = key;
  if (linkWord.textContent !== word) linkWord.textContent = word;
}

// A closed source of events does not come back by itself. With one of these answers the page may not look any more, and
// is loaded anew to say so; else true: the events may be asked for again.
export async function mayComeBack(path, refusals) {
  try {
    const answer = await fetch(path, { method: "HEAD" });
    if (!refusals.includes(answer.status)) return true;
    location.reload();
    return false;
  } catch {
    // The app is away: the next try tells.
    return true;
  }
}

// A page that comes back from the browser's memory is out of date.
addEventListener("pageshow", (event) => event.persisted && location.reload());

// What takes something away asks first.
for (const form of document.querySelectorAll("[data-sure]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.sure)) event.preventDefault();
  });
}
