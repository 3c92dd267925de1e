// Follows long work: shows what it does now, and loads the page anew when it has ended.
"use strict";

for (const box of document.querySelectorAll("[data-job]")) {
  const source = new EventSource(box.dataset.job);
  const says = document.querySelector("[data-job-says]");
  source.addEventListener("progress", (event) => {
    // Our own template, filled by the server, which escapes every value.
    box.innerHTML = event.data;
    const now = box.querySelector("[data-now]");
    if (says && now && says.textContent !== now.dataset.now) says.textContent = now.dataset.now;
  });
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
}
