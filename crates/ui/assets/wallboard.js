// Keeps the wallboard in step with the app: the server sends its figures whole whenever one changes.

const RETRY_MS = 3000;
const TICK_MS = 500;

const main = document.querySelector(".wall");
const wall = document.getElementById("wall");
const link = document.getElementById("link");
const linkWord = document.getElementById("link-word");
const fullScreen = document.getElementById("full-screen");
let clockLead = Number(main.dataset.now) - Date.now();

function clockText(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function tick() {
  const now = Date.now() + clockLead;
  for (const timer of wall.querySelectorAll("[data-since]")) {
    timer.textContent = clockText(Math.max(0, Math.floor((now - Number(timer.dataset.since)) / 1000)));
  }
}

function setLink(key, word) {
  link.dataset.link = key;
  if (linkWord.textContent !== word) linkWord.textContent = word;
}

// A closed source does not come back by itself; whoever may not look any more gets the page that says so.
async function again() {
  try {
    const answer = await fetch(main.dataset.events, { method: "HEAD" });
    if (answer.status === 401 || answer.status === 404) return location.reload();
    connect();
  } catch {
    setTimeout(again, RETRY_MS);
  }
}

function connect() {
  const source = new EventSource(main.dataset.events);
  source.addEventListener("wall", (event) => {
    const data = JSON.parse(event.data);
    clockLead = data.now - Date.now();
    wall.innerHTML = data.html;
    setLink(data.link, data.word);
    tick();
  });
  source.onerror = () => {
    setLink("lost", "Reconnecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(again, RETRY_MS);
  };
  addEventListener("pagehide", () => source.close());
}

fullScreen.hidden = !document.fullscreenEnabled;
fullScreen.addEventListener("click", async () => {
  await main.requestFullscreen();
  try {
    // Where the browser can: the screen does not go dark.
    await navigator.wakeLock?.request("screen");
  } catch {
    // The screen's own settings decide.
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "f" && !event.ctrlKey && !event.metaKey && !event.target.matches("input")) fullScreen.click();
});
addEventListener("pageshow", (event) => event.persisted && location.reload());
setInterval(tick, TICK_MS);
tick();
connect();
