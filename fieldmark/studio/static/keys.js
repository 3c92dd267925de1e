// Keys press what is marked with them; everything works without this script, too.
"use strict";

document.addEventListener("keydown", (event) => {
  // A browser would press the form's first button, even past one that cannot be pressed.
  if (event.key === "Enter" && event.target.matches("[type=checkbox]")) event.preventDefault();
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, select, textarea")) return;
  // Enter and Space press what has the focus, and nothing else.
  if (["Enter", " "].includes(event.key) && event.target.closest("button, a[href], summary")) return;
  const marked = [...document.querySelectorAll("[data-key]")];
  const found = marked.find((each) => each.dataset.key === event.key);
  if (!found) return;
  event.preventDefault();
  found.click();
});

// A second click says nothing twice; where the answer is a file, the page stays and may ask again.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || "again" in event.target.dataset) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

// A page that the browser kept and shows again may send again.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
