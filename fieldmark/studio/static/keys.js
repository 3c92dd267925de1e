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

// A form that was refused is filled in again as it was sent; what no form here takes stays listed.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("[data-typed]")) {
    const typed = JSON.parse(box.dataset.typed);
    const sent = (name) => typed.filter(([each]) => each === name).map(([, value]) => value);
    const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
    for (const form of document.querySelectorAll("form[method=post]")) {
      const path = new URL(form.getAttribute("action"), location).pathname;
      const fields = [...form.elements].filter((each) => each.name && each.name !== "form_token");
      const fixed = fields.filter((each) => each.type === "hidden");
      const values = (name) => fixed.filter((each) => each.name === name).map((each) => each.value);
      if (decodeURIComponent(path) !== box.dataset.form) continue;
      if (!fixed.every((each) => same(values(each.name), sent(each.name)))) continue;
      const taken = {};
      for (const each of fields) {
        if (["hidden", "submit", "file"].includes(each.type)) continue;
        if (["checkbox", "radio"].includes(each.type)) {
          each.checked = sent(each.name).includes(each.value);
          continue;
        }
        const at = taken[each.name] = (taken[each.name] ?? -1) + 1;
        if (at >= sent(each.name).length) continue;
        each.value = sent(each.name)[at];
        each.dispatchEvent(new Event("input", { bubbles: true }));
        const fold = each.closest("details");
        if (fold && each.value !== each.defaultValue) fold.open = true;
      }
      if (Object.keys(taken).length) box.querySelector("[data-written]")?.remove();
    }
  }
});
