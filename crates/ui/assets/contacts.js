// Takes a file that is dropped or chosen, and shows at once what a changed column does to the rows.

const page = document.querySelector(".contacts");
const wrong = document.getElementById("wrong");
const wrongText = document.getElementById("wrong-text");
const drop = document.getElementById("drop");
const mapping = document.getElementById("mapping");

function say(text) {
  wrongText.textContent = text;
  wrong.hidden = text === "";
}

async function take(file) {
  const progress = document.getElementById("progress");
  say("");
  if (file.size > Number(page.dataset.bytesMax)) {
    return say("The file is too large. Larger ones are taken by callfeed contacts import FILE.");
  }
  progress.textContent = `Reading ${file.name} …`;
  const headers = { "x-callfeed-proof": page.dataset.proof, "content-type": "application/octet-stream" };
  try {
    const answer = await fetch("/contacts/file", { method: "PUT", headers, body: file });
    if (answer.ok) {
      const name = file.name.replace(/\.[^.]*$/, "").slice(0, 60);
      location.assign(`/contacts?${new URLSearchParams({ file: "new", name })}`);
      return;
    }
    say((await answer.text()).trim() || "The file was not taken. Try again.");
  } catch {
    say("Callfeed cannot be reached. Try again.");
  }
  progress.textContent = "";
}

function setUpDrop() {
  const field = document.getElementById("file");
  field.addEventListener("change", () => field.files[0] && take(field.files[0]));
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

if (drop) setUpDrop();
if (mapping) {
  document.getElementById("check").hidden = true;
  mapping.addEventListener("change", (event) => event.target.matches("select") && check());
  mapping.addEventListener("submit", () => {
    document.getElementById("save").textContent = "Saving …";
  });
}
for (const form of document.querySelectorAll("[data-sure]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.sure)) event.preventDefault();
  });
}
