// Says while the slider moves what the threshold would do; the counts came with the page.
"use strict";

for (const form of document.querySelectorAll("[data-curve]")) {
  const curve = JSON.parse(form.dataset.curve);
  const slider = form.querySelector("input[type=range]");
  const put = (name, value) => { form.querySelector(`[data-${name}]`).textContent = value; };
  slider.addEventListener("input", () => {
    const [at, missed, wrong] = curve[Math.round(slider.value * (curve.length - 1))];
    put("threshold", at.toFixed(2));
    put("missed", missed.toLocaleString("en"));
    put("wrong", wrong.toLocaleString("en"));
  });
  const button = form.querySelector("button");
  if (button) button.hidden = true;
}

// Says in words where the scale of two mistakes stands.
for (const scale of document.querySelectorAll("[data-places]")) {
  const places = JSON.parse(scale.dataset.places);
  const slider = scale.querySelector("input[type=range]");
  const said = scale.querySelector("[data-place]");
  const say = () => {
    said.value = places[slider.value - slider.min];
    slider.setAttribute("aria-valuetext", said.value);
  };
  slider.addEventListener("input", say);
  say();
}

// Files that are more than the studio takes in are refused before they are sent.
for (const files of document.querySelectorAll("input[type=file][data-most]")) {
  files.addEventListener("change", () => {
    const bytes = [...files.files].reduce((sum, each) => sum + each.size, 0);
    files.setCustomValidity(bytes > files.dataset.most ? files.dataset.refusal : "");
    files.reportValidity();
  });
}

// Photographs are dropped on the field as a whole.
for (const place of document.querySelectorAll(".drop")) {
  const files = place.querySelector("input[type=file]");
  const over = (on) => (event) => {
    event.preventDefault();
    place.classList.toggle("over", on);
  };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    files.files = event.dataTransfer.files;
    files.dispatchEvent(new Event("change"));
  });
}
