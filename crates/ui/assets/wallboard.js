// Keeps the wallboard in step with the app: the server sends its figures whole whenever one changes.

import { mayComeBack, setClock, showLink, showTimers, texts } from "./live_page.js";

const RETRY_MS = 3000;
const TICK_MS = 500;

const main = document.querySelector(".wall");
const wall = document.getElementById("wall");
const fullScreen = document.getElementById("full-screen");

async function again() {
  if (await mayComeBack(main.dataset.events, [401, 404])) connect();
}

function connect() {
  const source = new EventSource(main.dataset.events);
  source.addEventListener("wall", (event) => {
    const data = JSON.parse(event.data);
    setClock(data.now);
    wall.innerHTML = data.html;
    showLink(data.link, data.word);
    showTimers();
  });
  source.onerror = () => {
    showLink("lost", texts.reconnecting);
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
  if (!("keys" in main.dataset)) return;
  if (event.key === "f" && !event.ctrlKey && !event.metaKey && !event.target.matches("input")) fullScreen.click();
});
setInterval(showTimers, TICK_MS);
showTimers();
connect();
