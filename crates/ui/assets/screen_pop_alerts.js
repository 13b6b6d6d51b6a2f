// Tells a person that their phone rings: notification and sound, once, however many pages are open. Each page asks the
// app whether it may; the first one may, and a frozen page does not ask.

import { fill, texts } from "./live_page.js";

// Pages that nobody looks at let the others ask first.
const HIDDEN_WAIT_MS = 150;
const TONE_MS = 700;
// The app's answer to the one page that may; the others get 200.
const MAY_RING = 204;

let board = null;
let send = null;
const open = new Map();

function canNotify() {
  return "Notification" in window && Notification.permission === "granted";
}

function notify(id, who, number) {
  const notification = new Notification(fill(texts.calling, { who }), { body: number, tag: id });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
  open.set(id, notification);
}

// Two tones of a telephone; made here, so that nothing is fetched.
function sound() {
  try {
    const audio = new AudioContext();
    for (const [start, pitch] of [[0, 440], [0.3, 554]]) {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.15, audio.currentTime + start);
      volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + start + 0.28);
      tone.connect(volume).connect(audio.destination);
      tone.start(audio.currentTime + start);
      tone.stop(audio.currentTime + start + 0.3);
    }
    setTimeout(() => audio.close(), TONE_MS);
  } catch {
    // A browser without sound still shows the card.
  }
}

export async function ring(card) {
  const id = card.dataset.call;
  const number = card.querySelector(".number")?.textContent ?? "";
  if (document.hidden) await new Promise((done) => setTimeout(done, HIDDEN_WAIT_MS));
  const { status } = await send("/alerts", { call: id });
  if (status !== MAY_RING) return;
  board.dataset.rang = id;
  if ("sound" in board.dataset) sound();
  if (canNotify() && !document.hasFocus()) notify(id, card.dataset.who, number);
}

export function closeAlert(id) {
  open.get(id)?.close();
  open.delete(id);
}

function tellState(state) {
  if (!("Notification" in window)) state.textContent = texts.no_notifications;
  else if (Notification.permission === "granted") state.textContent = texts.allowed;
  else if (Notification.permission === "denied") state.textContent = texts.refused;
  else state.textContent = texts.not_asked;
}

export function setUpAlerts(page, sender) {
  board = page;
  send = sender;
  const state = document.getElementById("notification-state");
  tellState(state);
  document.getElementById("notification-test").addEventListener("click", async () => {
    if ("Notification" in window && Notification.permission === "default") await Notification.requestPermission();
    tellState(state);
    sound();
    if (canNotify()) notify("test", texts.nobody, texts.example);
  });
}
