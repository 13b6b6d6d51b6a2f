// Tells a person that their phone rings: notification and sound, once, however many pages are open. Each page that can do
// either asks the app whether it may; the first one may, and a frozen page does not ask.

import { fill, texts } from "./live_page.js";

// A page that is looked at and sounds asks first, then others that are looked at, then the rest.
const SILENT_WAIT_MS = 75;
const HIDDEN_WAIT_MS = 150;
const TONE_MS = 700;
// The app's answer to the one page that may; the others get 200.
const MAY_RING = 204;

let board = null;
let send = null;
// Notifications by call, and who they say it is.
const open = new Map();
// Whether the browser lets this page sound, and what was asked to find out.
let maySound = false;
let probe = null;

function canNotify() {
  return "Notification" in window && Notification.permission === "granted";
}

function wantsSound() {
  return "sound" in board.dataset;
}

function canSound() {
  return wantsSound() && maySound;
}

// With the same tag as before it takes that one's place.
function notify(id, who, number, silent) {
  const notification = new Notification(fill(texts.calling, { who }), { body: number, tag: id, silent });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
  open.set(id, { notification, who });
}

// Browsers sound for a page after a click or a key on it, or where its owner has allowed that. A page that may not yet
// says so in a quiet line.
function tellSound() {
  if (wantsSound() && !probe && "AudioContext" in window) {
    probe = new AudioContext();
    probe.onstatechange = tellSound;
  }
  if (!maySound && probe?.state === "running") {
    maySound = true;
    probe.onstatechange = null;
    probe.close();
  }
  document.getElementById("sound-hint").hidden = !wantsSound() || maySound;
}

function onGesture() {
  if (probe && !maySound) probe.resume().then(tellSound, () => {});
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
  // A page that can do nothing takes the ring from none that can.
  if (!canSound() && !canNotify()) return;
  const wait = document.hidden ? HIDDEN_WAIT_MS : canSound() ? 0 : SILENT_WAIT_MS;
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  const { status } = await send("/alerts", { call: id });
  if (status !== MAY_RING) return;
  board.dataset.rang = id;
  if (canSound()) sound();
  if (canNotify() && !document.hasFocus()) notify(id, card.dataset.who, number, false);
}

// The name has come after the ring: the notification says it, without a further sound.
export function amendAlert(card) {
  const id = card.dataset.call;
  const said = open.get(id);
  if (!said || said.who === card.dataset.who) return;
  notify(id, card.dataset.who, card.querySelector(".number")?.textContent ?? "", true);
}

export function closeAlert(id) {
  open.get(id)?.notification.close();
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
    if (canNotify()) notify("test", texts.nobody, texts.example, false);
  });
  tellSound();
  new MutationObserver(tellSound).observe(board, { attributeFilter: ["data-sound"] });
  for (const gesture of ["click", "keydown"]) addEventListener(gesture, onGesture);
}
