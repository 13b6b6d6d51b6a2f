// Takes a file that is dropped or chosen, and shows at once what a changed column does to the rows.

import { fill, texts } from "./live_page.js";

const MIB = 1024 * 1024;

const page = document.querySelector(".contacts");
const wrong = document.getElementById("wrong");
const wrongText = document.getElementById("wrong-text");
const drop = document.getElementById("drop");
const mapping = document.getElementById("mapping");

function say(text) {
  wrongText.textContent = text;
  wrong.hidden = text === "";
}

// Why the file was not taken; an answer that is no plain text is a page for who may not be here.
async function reason(answer) {
  const isPlain = answer.headers.get("content-type")?.startsWith("text/plain");
  return (isPlain && (await answer.text()).trim()) || texts.not_taken;
}

async function take(file) {
  const progress = document.getElementById("progress");
  say("");
  if (file.size > Number(page.dataset.mibMax) * MIB) return say(fill(texts.too_large, { mib: page.dataset.mibMax }));
  progress.textContent = fill(texts.reading, { name: file.name });
  const headers = { "x-callfeed-proof": page.dataset.proof, "content-type": "application/octet-stream" };
  try {
    const answer = await fetch("/contacts/file", { method: "PUT", headers, body: file });
    if (answer.ok) {
      const name = file.name.replace(/\.[^.]*$/, "").slice(0, Number(page.dataset.nameCharsMax));
      location.assign(`/contacts?${new URLSearchParams({ file: "new", name })}`);
      return;
    }
    if (answer.status === 401 || answer.status === 403) return location.reload();
    say(await reason(answer));
  } catch {
    say(texts.away);
  }
  progress.textContent = "";
}

function setUpDrop() {
  const field = document.getElementById("file");
  field.addEventListener("change", () => {
    const [file] = field.files;
    // The same file may be chosen again after it was changed.
    field.value = "";
    if (file) take(file);
  });
  // A file that misses its place would be opened instead of this page.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

let newest = 0;

async function check() {
  const mine = ++newest;
  const body = new URLSearchParams(new FormData(mapping));
  body.set("do", "check");
  try {
    const answer = await fetch("/contacts", { method: "POST", body });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("fate");
    if (mine === newest && next) document.getElementById("fate").replaceChildren(...next.childNodes);
  } catch {
    // The next change asks again; saving tells.
  }
}

function setUpMapping() {
  document.getElementById("check").hidden = true;
  mapping.addEventListener("change", (event) => event.target.matches("select") && check());
  mapping.addEventListener("submit", () => {
    document.getElementById("save").textContent = texts.saving;
  });
  // As on the board: out of a field first, then back. A list of choices that is open closes by itself.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (event.target.matches("input, select")) event.target.blur();
    else location.assign(document.getElementById("cancel").href);
  });
}

if (drop) setUpDrop();
if (mapping) setUpMapping();
// What went wrong is where a reader begins.
if (!wrong.hidden) wrong.focus();
