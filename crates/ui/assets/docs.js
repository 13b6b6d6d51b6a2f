// A button on each command that copies it. Without scripts the commands are copied by hand.
const said = document.getElementById("said");

for (const command of document.querySelectorAll(".command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  const name = command.closest("li").querySelector("h3").textContent;
  button.setAttribute("aria-label", `Copy the commands of: ${name}`);
  button.addEventListener("click", () => copy(command, button));
  command.append(button);
}

async function copy(command, button) {
  const code = command.querySelector("code");
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(code.textContent + "\n");
  } catch {
    // No clipboard for plain http on another machine: the text is selected instead.
    getSelection().selectAllChildren(code);
    done = "Selected";
  }
  button.textContent = done;
  said.textContent = `${done}.`;
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
