// The console: shows what the server tells, newest first, and sends what its buttons ask for.

const RECORDS_MAX = 1000;
const RETRY_MS = 1000;
const OK_MAX = 399;
// So much of a call's id, from its end, tells it from its neighbours.
const CALL_SHOWN = 8;

const byId = (id) => document.getElementById(id);
const proof = document.querySelector(".console").dataset.proof;
const journal = byId("journal");
let waiting = [];
let paused = false;
let drawing = false;
let lastNumber = 0;
let seen = 0;
let skipped = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function problem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

// `tell`: where it is said what went wrong.
async function post(path, fields, tell = problem) {
  try {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ ...fields, proof }) });
    if (answer.ok) {
      tell("");
      return true;
    }
    const json = await answer.json().catch(() => ({}));
    tell(json.message ?? `This did not work (${answer.status}). Reload the page and try again.`);
  } catch {
    tell("The platform does not answer. Is it running?");
  }
  return false;
}

const figure = (number) => number.toLocaleString("en");

// A list that is cut says of how many.
const counted = (shown, all) => (all > shown ? `${figure(shown)} of ${figure(all)}` : figure(shown));

function button(label, what, action) {
  const made = element("button", "small", label);
  made.type = "button";
  made.setAttribute("aria-label", what);
  made.addEventListener("click", action);
  return made;
}

// How a record went: well, ill or fault.
function mood(record) {
  if (String(record.why ?? "").startsWith("fault:")) return "fault";
  if (typeof record.status === "number") return record.status <= OK_MAX ? "well" : "ill";
  if (record.status === "kept") return "waits";
  return record.status.startsWith("sent") ? "well" : "ill";
}

function details(item, record) {
  const box = element("div", "journal-body");
  const facts = [
    ["Call", record.call], ["Channel", record.channel], ["Nickname", record.nickname], ["Query", record.query],
    ["Why", record.why], ["Took", record.ms === undefined ? undefined : `${record.ms} ms`],
  ];
  const list = element("dl");
  for (const [name, value] of facts) {
    if (value === undefined || value === null || value === "") continue;
    const line = element("div");
    line.append(element("dt", "", name), element("dd", "", value));
    list.append(line);
  }
  box.append(list);
  for (const [name, body] of [["Request", record.asked], [record.kind === "request" ? "Answer" : record.changed ? "Body, as the fault changed it" : "Body", record.body]]) {
    if (body === undefined || body === null) continue;
    const text = element("pre", "", typeof body === "string" ? body : JSON.stringify(body, null, 2));
    text.tabIndex = 0;
    text.setAttribute("aria-label", name);
    box.append(element("h3", "", name), text);
  }
  if (record.again) {
    const said = element("span", "sub");
    said.setAttribute("role", "status");
    const again = button("Send again", `Send again: ${record.what}`, async () => {
      said.textContent = "";
      const done = await post("/console/resend", { number: record.number }, (text) => { said.textContent = text && `Not sent: ${text}`; });
      const handed = record.channel.startsWith("Webhook.") ? "The receiver is asked. Its answer comes as a row on top." : "Handed to the channel's reader. The row is on top.";
      if (done) said.textContent = handed;
    });
    box.append(again, " ", said);
  }
  item.append(box);
}

function row(record) {
  const line = element("li");
  line.dataset.kind = record.kind;
  line.dataset.mood = mood(record);
  line.dataset.words = [record.what, record.call, record.channel, record.nickname, record.status, record.why, record.query].join(" ").toLowerCase();
  const item = element("details");
  const head = element("summary");
  const at = element("time", "", record.at.slice(11, 23));
  at.dateTime = record.at;
  const about = [record.why, record.call && `call\u00a0…\u2060${record.call.slice(-CALL_SHOWN)}`, record.nickname || record.channel];
  head.append(at, element("span", "badge", String(record.status)), element("span", "what", record.what), element("span", "about", about.filter(Boolean).join(" · ")));
  item.append(head);
  // Bodies are made when somebody looks: a burst stays cheap.
  item.addEventListener("toggle", () => {
    if (item.open && item.childElementCount === 1) details(item, record);
  });
  line.append(item);
  return line;
}

function fits(line) {
  const words = byId("filter").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const [kind, status] = [byId("kind").value, byId("status").value];
  return (!kind || line.dataset.kind === kind) && (!status || line.dataset.mood === status) && words.every((word) => line.dataset.words.includes(word));
}

function count() {
  const all = journal.childElementCount;
  const hidden = journal.querySelectorAll(":scope > li[hidden]").length;
  byId("shown").textContent = all === 0 ? "" : hidden ? `${figure(all - hidden)} of ${figure(all)}` : counted(all, seen);
  byId("empty").hidden = all > 0;
  byId("no-match").hidden = all === 0 || hidden < all;
}

// What came since the last picture is drawn at once.
function draw() {
  drawing = false;
  if (paused) return;
  const fragment = document.createDocumentFragment();
  seen += waiting.length + skipped;
  skipped = 0;
  for (const record of waiting.splice(0).reverse()) {
    const line = row(record);
    line.hidden = !fits(line);
    fragment.append(line);
  }
  journal.prepend(fragment);
  while (journal.childElementCount > RECORDS_MAX) journal.lastElementChild.remove();
  count();
}

function soon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function fill(id, items, make) {
  byId(id).replaceChildren(...items.map(make));
  byId(`no-${id}`).hidden = items.length > 0;
}

function mini(title, sub, mark) {
  const line = element("li");
  const main = element("div", "row-main");
  main.append(element("strong", "", title), element("span", "sub", sub));
  line.append(main);
  if (mark) line.append(mark);
  return line;
}

// The channels that a fault can be aimed at; what was chosen stays chosen while it is there.
function aims(channels) {
  const select = byId("fault-channel");
  const chosen = select.value;
  const options = channels.map((channel) => {
    const option = element("option", "", `Channel ${channel.nickname || "(no nickname)"}, ${channel.channel}`);
    option.value = channel.channel;
    option.dataset.webhook = channel.webhook ? "yes" : "no";
    return option;
  });
  const known = [...select.options].slice(1).map((option) => option.textContent).join("\n");
  if (known === options.map((option) => option.textContent).join("\n")) return;
  select.replaceChildren(select.options[0], ...options);
  select.value = options.some((option) => option.value === chosen) ? chosen : "";
  aimable();
}

// Only channels that the chosen fault can strike can be chosen.
function aimable() {
  const { ofSockets, ofWebhooks } = byId("fault-name").selectedOptions[0]?.dataset ?? {};
  const [sockets, webhooks] = [ofSockets !== undefined, ofWebhooks !== undefined];
  const select = byId("fault-channel");
  for (const option of [...select.options].slice(1)) option.disabled = option.dataset.webhook === "yes" ? !webhooks : !sockets;
  if (select.selectedOptions[0]?.disabled) select.value = "";
  select.disabled = !sockets && !webhooks;
  const only = sockets ? "WebSockets channels" : "webhook channels";
  byId("fault-whom").textContent = select.disabled ? "This one cannot be aimed at a channel." : `It meets ${only} only.`;
  byId("fault-whom").hidden = sockets && webhooks;
}

function show(state) {
  aims(state.channels);
  byId("channel-count").textContent = counted(state.channels.length, state.channelCount);
  byId("call-count").textContent = figure(state.calls.length) + (state.moreCalls ? "+" : "");
  fill("channels", state.channels, (channel) => {
    const mark = element("span", "badge", channel.webhook ? "webhook" : channel.connected ? "connected" : "no reader");
    const line = mini(channel.nickname || "(no nickname)", `${channel.channel} · ${channel.subscriptions.join(" · ") || "no subscription"}`, mark);
    line.dataset.mood = channel.connected ? "well" : "";
    return line;
  });
  fill("calls", state.calls, (call) => {
    const line = mini(call.call, `${call.direction} · since ${String(call.since).slice(11, 19)}`, element("span", "badge", call.state));
    line.querySelector(".row-main").append(button("Only this", `Only this: call ${call.call}`, () => only(call.call)));
    return line;
  });
  fill("faults", state.faults, (fault) => {
    const scope = fault.channelId ? `channel ${fault.channelId}` : fault.clientId ? "one client" : "all";
    const set = Object.entries(fault.parameters).filter(([, value]) => value !== "").map(([name, value]) => `${name} ${value}`).sort();
    const struck = fault.times === undefined ? `struck ${fault.struck}` : `struck ${fault.struck} of ${figure(fault.times)}`;
    return mini(fault.fault, [scope, ...set, struck, `until ${fault.endsAt.slice(11, 19)}`].join(" · "),
      button("End", `End ${fault.fault}`, () => post("/console/faults/clear", { id: fault.id })));
  });
}

function only(text) {
  byId("filter").value = text;
  filter();
}

function filter() {
  for (const line of journal.children) line.hidden = !fits(line);
  count();
}

function connected(word, key) {
  byId("link").dataset.link = key;
  byId("link-word").textContent = word;
}

function connect() {
  const source = new EventSource("/console/events");
  source.addEventListener("open", () => {
    // What was said while it was away is true no more.
    if (byId("link").dataset.link === "lost") problem("");
    connected("Live", "live");
  });
  source.addEventListener("state", (event) => show(JSON.parse(event.data)));
  source.addEventListener("record", (event) => {
    const record = JSON.parse(event.data);
    // A platform that started again counts from the beginning.
    if (record.number <= lastNumber && record.number !== 1) return;
    lastNumber = record.number;
    waiting.push(record);
    if (waiting.length > RECORDS_MAX) {
      skipped += waiting.length - RECORDS_MAX;
      waiting = waiting.slice(-RECORDS_MAX);
    }
    soon();
  });
  source.addEventListener("error", () => {
    connected("Lost, trying again", "lost");
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(connect, RETRY_MS);
  });
}

function parameter(one) {
  const box = document.createDocumentFragment();
  const id = `parameter-${one.name}`;
  const label = element("label", "", one.name);
  label.htmlFor = id;
  let field;
  if (one.values) {
    field = element("select");
    field.append(...one.values.map((value) => {
      const option = element("option", "", value);
      option.value = value;
      return option;
    }));
  } else {
    field = element("input");
    field.type = one.min === undefined ? "text" : "number";
    if (one.min !== undefined) [field.min, field.max] = [one.min, one.max];
  }
  field.value = one.default;
  field.id = id;
  field.name = `parameter.${one.name}`;
  const hint = element("p", "hint", one.what);
  hint.id = `${id}-what`;
  field.setAttribute("aria-describedby", hint.id);
  box.append(label, field, hint);
  return box;
}

function explain() {
  const chosen = byId("fault-name").selectedOptions[0];
  byId("fault-what").textContent = chosen?.dataset.what ?? "";
  const parameters = JSON.parse(chosen?.dataset.parameters || "[]");
  byId("fault-parameters").replaceChildren(...parameters.map(parameter));
  aimable();
}

for (const form of [byId("play"), byId("fault")]) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post(form.getAttribute("action"), Object.fromEntries(new FormData(form)));
  });
}
byId("fault-name").addEventListener("change", explain);
byId("filter").addEventListener("input", filter);
byId("kind").addEventListener("change", filter);
byId("status").addEventListener("change", filter);
byId("unfilter").addEventListener("click", () => {
  byId("kind").value = byId("status").value = "";
  only("");
  byId("filter").focus();
});
byId("wipe").addEventListener("click", () => {
  journal.replaceChildren();
  seen = 0;
  count();
});
byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", String(paused));
  event.currentTarget.textContent = paused ? "Go on" : "Pause";
  if (!paused) soon();
});
explain();
count();
connect();
