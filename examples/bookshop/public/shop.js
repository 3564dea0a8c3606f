// Rates by a click where a form would load the page anew. Without this file all of it still works.
document.documentElement.classList.add("scripted");

const announcer = document.querySelector("[data-announcer]");

document.addEventListener("change", async (event) => {
  const form = event.target.closest("[data-rate]");
  if (!form) return;
  form.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    form.closest("[data-book]").querySelector("[data-average]").textContent = answer.average;
    showReader(answer.reader);
    for (const radio of form.elements.namedItem("stars")) radio.defaultChecked = radio.checked;
    announcer.textContent = `Your rating of ${answer.stars} out of 5 is saved.`;
  } catch (error) {
    form.reset();
    announcer.textContent = `Your rating was not saved. ${error.message}`;
  } finally {
    form.removeAttribute("aria-busy");
  }
});

// The first rating of a browser makes a guest of its reader.
function showReader(name) {
  const summary = document.querySelector(".reader summary");
  const shown = document.createElement("strong");
  shown.textContent = name;
  summary.replaceChildren("Reading as ", shown);
}
