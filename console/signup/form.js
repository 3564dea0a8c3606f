import { slugProblem, suggestSlug } from "./slug.js";

const storageKey = "signup-form";

const isolationInWords = {
  schema: {
    short: "Shared server",
    long: "Your own tables behind your own login, on a shared database server.",
  },
  database: { short: "Own database", long: "A database of your own, on a shared database server." },
  server: { short: "Own server", long: "A database server of your own, with a standby in another zone." },
};

const requiredProblems = {
  name: "Tell us your company’s name.",
  region: "Choose where your data should live.",
  plan: "Choose a plan.",
  email: "Tell us where to write to.",
};

const form = document.getElementById("signup-form");
const problemBox = document.getElementById("form-problem");
const fields = ["name", "slug", "region", "plan", "email"];

/** Fills the form with the choices, and with what was typed before; calls `submit` with each complete sign-up. */
export function prepareForm(options, submit) {
  document.querySelector("[data-suffix]").textContent = suffixOf(options);
  addChoices("region", options.regions, ({ name, jurisdiction }) => ({
    title: name,
    text: `Your data stays under ${jurisdiction} law, in ${name}.`,
  }));
  addChoices("plan", options.plans, ({ name, isolation }) => ({
    title: name.charAt(0).toUpperCase() + name.slice(1),
    badge: isolationInWords[isolation].short,
    text: isolationInWords[isolation].long,
  }));
  restore();
  // Whoever wrote an address of their own keeps it, whatever they then do to the name.
  let isSuggested = fieldValue("slug") === "" || fieldValue("slug") === suggestSlug(fieldValue("name"));
  form.addEventListener("input", ({ target }) => {
    if (target.name === "name" && isSuggested) form.elements.slug.value = suggestSlug(target.value);
    if (target.name === "slug") {
      tidySlug(target);
      isSuggested = target.value === "";
    }
    showProblem(target.name, undefined);
    if (target.name === "slug" || (target.name === "name" && fieldValue("slug") !== ""))
      showSlugProblem(options);
    update(options);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!showProblems(options)) return;
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await submit(readForm());
    } finally {
      button.disabled = false;
    }
  });
  update(options);
}

/** Shows what the server refused, each at its field, and the rest above the form. */
export function showRefusal(problem) {
  const errors = problem.errors ?? [];
  for (const { field, detail } of errors) showProblem(field, detail);
  if (errors.length > 0) focusField(errors[0].field);
  else
    showFormProblem(
      problem.detail
        ? `${problem.detail} ${problem.remedy ?? ""}`
        : "The sign-up did not get through. Try again.",
    );
}

export function showFormProblem(text) {
  problemBox.hidden = text === undefined;
  problemBox.textContent = text ?? "";
  if (text !== undefined) problemBox.scrollIntoView({ block: "center" });
}

/** Forgets what was typed: the sign-up is done. */
export function forgetForm() {
  sessionStorage.removeItem(storageKey);
}

function addChoices(field, items, describe) {
  const box = document.querySelector(`[data-choices="${field}"]`);
  box.replaceChildren(
    ...items.map((item, index) => {
      const { title, badge, text } = describe(item);
      const label = element("label", "choice");
      const input = document.createElement("input");
      Object.assign(input, {
        type: "radio",
        name: field,
        value: item.name,
        required: true,
        checked: index === 0,
      });
      label.append(input, element("strong", undefined, title));
      if (badge) label.append(element("em", undefined, badge));
      label.append(element("span", undefined, text));
      return label;
    }),
  );
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Keeps the letters that are meant when someone writes capitals or spaces; the caret stays where it is. */
function tidySlug(input) {
  const { value, selectionStart } = input;
  const tidy = value.toLowerCase().replace(/\s/g, "-");
  if (tidy === value) return;
  input.value = tidy;
  input.setSelectionRange(selectionStart, selectionStart);
}

function fieldValue(field) {
  return form.elements.namedItem(field)?.value.trim() ?? "";
}

function readForm() {
  return Object.fromEntries(fields.map((field) => [field, fieldValue(field)]));
}

/** True when nothing is missing; else the first field that lacks something has the focus. */
function showProblems(options) {
  showFormProblem(undefined);
  const problems = fields.map((field) => [field, problemOf(field, options)]);
  for (const [field, problem] of problems) showProblem(field, problem);
  const first = problems.find(([, problem]) => problem !== undefined);
  if (first) focusField(first[0]);
  return first === undefined;
}

function problemOf(field, options) {
  if (field === "slug") return slugProblem(fieldValue("slug"), options.slug);
  if (fieldValue(field) === "") return requiredProblems[field];
  const input = form.elements.namedItem(field);
  if (field === "email" && !input.validity.valid) return "This does not look like an e-mail address.";
  return undefined;
}

function showSlugProblem(options) {
  showProblem("slug", slugProblem(fieldValue("slug"), options.slug));
}

function showProblem(field, text) {
  const box = document.getElementById(`${field}-problem`);
  if (!box) return;
  box.textContent = text ?? "";
  const input = document.getElementById(field);
  if (text === undefined) input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
}

function focusField(field) {
  const target = document.getElementById(field);
  (target.matches("fieldset")
    ? (target.querySelector(":checked") ?? target.querySelector("input"))
    : target
  ).focus();
}

function update(options) {
  const slug = fieldValue("slug");
  const isGood = slugProblem(slug, options.slug) === undefined;
  const preview = document.getElementById("slug-preview");
  if (isGood) preview.textContent = `Your people will open ${tenantUrl(options, slug)}`;
  else preview.textContent = slug === "" ? "Where your people will find you." : "";
  preview.classList.toggle("good", isGood);
  const region = options.regions.find(({ name }) => name === fieldValue("region"));
  const plan = options.plans.find(({ name }) => name === fieldValue("plan"));
  summarize("address", isGood ? tenantUrl(options, slug) : "–");
  summarize("law", region ? `${region.jurisdiction}, in ${region.name}` : "–");
  summarize("isolation", plan ? isolationInWords[plan.isolation].long : "–");
  sessionStorage.setItem(storageKey, JSON.stringify(readForm()));
}

function summarize(item, text) {
  document.querySelector(`[data-summary="${item}"]`).textContent = text;
}

function restore() {
  const typed = JSON.parse(sessionStorage.getItem(storageKey) ?? "{}");
  for (const [field, value] of Object.entries(typed)) {
    const input = form.elements.namedItem(field);
    const isChoice = input instanceof RadioNodeList;
    if (!isChoice || [...input].some((radio) => radio.value === value)) input.value = value;
  }
}

/** A tenant's address as people write it, without the slash at its end. */
export function tenantUrl(options, slug) {
  return options.tenantUrlPattern.replace("{slug}", slug).replace(/\/$/, "");
}

function suffixOf(options) {
  return tenantUrl(options, "\n").split("\n").at(1);
}
