// A button on each command, and on each secret that is shown once, that copies it. Without scripts they are copied by
// hand.
const said = document.getElementById("said");

for (const place of document.querySelectorAll(".command, .credentials > div")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  const name = place.closest("li")?.querySelector("h3") ?? place.querySelector("dt");
  const commands = place.matches(".command");
  const label = (commands ? "Copy the commands" : "Copy") + (name ? `: ${name.textContent}` : "");
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => copy(place.querySelector("code"), commands ? "\n" : "", button));
  place.classList.add("copied");
  place.append(button);
}

async function copy(code, end, button) {
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(code.textContent + end);
  } catch {
    // No clipboard for plain http on another machine: the text is selected instead.
    getSelection().selectAllChildren(code);
    done = "Selected";
  }
  button.textContent = done;
  said.textContent = `${done}.`;
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
