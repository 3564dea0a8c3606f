import { forgetForm, prepareForm, showFormProblem, showRefusal, tenantUrl } from "./form.js";
import { followProgress } from "./progress.js";

const retryMilliseconds = 3000;
const views = ["form-view", "progress-view", "away-view"];

let stopFollowing = () => {};

const options = await loadOptions();
document.querySelector("[data-domain]").textContent = options.domain;
prepareForm(options, submit);
document.querySelector("#progress-retry button").addEventListener("click", backToForm);
window.addEventListener("hashchange", route);
route();

async function loadOptions() {
  for (;;) {
    const response = await fetch("/signup/options").catch(() => undefined);
    if (response?.ok) return response.json();
    show("away-view");
    await new Promise((resolve) => setTimeout(resolve, retryMilliseconds));
  }
}

/** The address names the sign-up that is followed, so that a reload finds it again. */
function route() {
  stopFollowing();
  const id = new URLSearchParams(location.hash.slice(1)).get("signup");
  if (id === null) {
    document.title = `Sign up · ${options.domain}`;
    show("form-view");
    return;
  }
  show("progress-view");
  const name = sessionStorage.getItem(`signup-name-${id}`) ?? undefined;
  stopFollowing = followProgress({
    id,
    name,
    url: (slug) => tenantUrl(options, slug),
    lawOf: (region) => options.regions.find((known) => known.name === region)?.jurisdiction,
    onEnd: (status) => end(id, status),
  });
}

function backToForm() {
  history.pushState(undefined, "", location.pathname);
  route();
  document.getElementById("name").focus();
}

function end(id, status) {
  if (status?.state === "completed") forgetForm();
  if (status) return;
  sessionStorage.removeItem(`signup-name-${id}`);
  backToForm();
  showFormProblem("Nobody here knows that sign-up any more. You can begin a new one.");
}

async function submit(input) {
  const body = JSON.stringify(input);
  let response;
  try {
    response = await fetch("/signup", {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": attemptKey(body) },
      body,
    });
  } catch {
    showFormProblem("We could not be reached. Nothing you typed is lost: try again.");
    return;
  }
  const answer = await response.json().catch(() => ({}));
  forgetAttempt();
  if (!response.ok) return showRefusal(answer);
  sessionStorage.setItem(`signup-name-${answer.id}`, input.name);
  location.hash = new URLSearchParams({ signup: answer.id });
}

/** The same until an answer came: a sign-up whose answer was lost is found again, and not refused as taken. */
function attemptKey(body) {
  const last = JSON.parse(sessionStorage.getItem("signup-attempt") ?? "{}");
  const key = last.body === body ? last.key : [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  sessionStorage.setItem("signup-attempt", JSON.stringify({ body, key }));
  return key;
}

function forgetAttempt() {
  sessionStorage.removeItem("signup-attempt");
}

function show(wanted) {
  for (const view of views) document.getElementById(view).hidden = view !== wanted;
}
