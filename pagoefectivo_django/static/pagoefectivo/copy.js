// Copies what stands before a button of the admin. Without this a click on the text selects it.
"use strict";
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copied]");
  if (!button) return;
  const element = button.previousElementSibling;
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  let done = true;
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    // Without HTTPS or permission there is no clipboard; an older way may work, and the selection always does.
    getSelection().selectAllChildren(element);
    try { done = document.execCommand("copy"); } catch { done = false; }
  }
  if (!done) return;
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = label; }, 3000);
});
