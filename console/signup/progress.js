const retryMilliseconds = 2000;

const marks = { waiting: "", running: "", done: "✓", failed: "✕", undone: "↩" };
const inWords = {
  waiting: "waiting",
  running: "under way",
  done: "done",
  failed: "failed",
  undone: "taken back",
};

const view = Object.fromEntries(
  ["title", "lead", "problem", "open", "retry", "bar", "steps", "announcer"].map((name) => [
    name,
    document.getElementById(`progress-${name}`),
  ]),
);

/**
 * Follows a sign-up until its end, over lost connections and restarts of the server. `name` is the company's, `url`
 * gives its address from its slug, `lawOf` a region's jurisdiction. Returns what stops following. Calls `onEnd` with the last status, which is
 * `undefined` when nobody knows the sign-up.
 */
export function followProgress({ id, name, url, lawOf, onEnd }) {
  let source;
  let timer;
  let spoken = "";
  const title = (status) => name ?? status.slug;

  const show = (status) => {
    if (isEnd(status)) stop();
    const heading = headings[status.state](title(status));
    view.title.textContent = heading;
    document.title = heading;
    view.lead.textContent = leads[status.state](status, lawOf(status.region));
    showProblem(status.state === "failed" ? plainReason(status.error) : undefined);
    showSteps(status);
    showEnd(status, title(status), url(status.slug));
    const running = status.steps.find((step) => step.state === "running");
    say(isEnd(status) ? heading : (running?.title ?? ""));
    if (isEnd(status)) {
      (status.state === "completed" ? view.open.querySelector("a") : view.title).focus();
      onEnd(status);
    }
  };
  const say = (text) => {
    if (text === spoken || text === "") return;
    spoken = text;
    view.announcer.textContent = text;
  };
  const connect = () => {
    source = new EventSource(`/signup/${encodeURIComponent(id)}/events`);
    source.addEventListener("status", ({ data }) => show(JSON.parse(data)));
    source.addEventListener("problem", () => (view.lead.textContent = silent));
    source.addEventListener("error", () => {
      view.lead.textContent = silent;
      // After an answer that is no stream, as from a proxy whose server restarts, the browser gives up. We don't.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(reconnect, retryMilliseconds);
    });
  };
  const reconnect = async () => {
    const response = await fetch(`/signup/${encodeURIComponent(id)}`).catch(() => undefined);
    if (response?.status === 404) {
      stop();
      onEnd(undefined);
    } else if (response?.ok) connect();
    else timer = setTimeout(reconnect, retryMilliseconds);
  };
  const stop = () => {
    source?.close();
    clearTimeout(timer);
  };

  reset(name);
  connect();
  return stop;
}

const silent = "The connection was lost. What was begun goes on, and this page looks for it again.";

const headings = {
  running: (name) => `Setting up ${name}`,
  undoing: (name) => `Setting up ${name} did not work out`,
  completed: (name) => `${name} is ready`,
  failed: (name) => `${name} could not be set up`,
};

const leads = {
  running: () => "You can leave this page open, or come back to it by its address.",
  undoing: () => "What was done so far is being taken back.",
  completed: ({ region }, law) => `Its data lives in ${region}${law ? `, under ${law} law` : ""}.`,
  failed: () => "What was done was taken back, and the address is free again. What you typed is still there.",
};

function isEnd({ state }) {
  return state === "completed" || state === "failed";
}

/** Without the remedy, which is for whoever runs the platform. */
function plainReason({ message = "Something failed on our side.", remedy = "" } = {}) {
  return message.endsWith(remedy) ? message.slice(0, message.length - remedy.length).trim() : message;
}

function reset(name) {
  view.title.textContent = name ? headings.running(name) : "Setting up";
  view.lead.textContent = leads.running();
  for (const part of [view.problem, view.open, view.retry]) part.hidden = true;
  view.bar.hidden = false;
  view.bar.value = 0;
  view.steps.replaceChildren();
  view.title.focus();
}

function showProblem(text) {
  view.problem.hidden = text === undefined;
  view.problem.textContent = text ?? "";
}

/** What is not configured here is nothing that anyone waits for. */
function showSteps(status) {
  const steps = status.steps.filter((step) => step.state !== "not-configured");
  view.bar.max = steps.length;
  view.bar.value = steps.filter((step) => step.state === "done").length;
  view.bar.hidden = isEnd(status);
  for (const [index, step] of steps.entries()) {
    const item = view.steps.children[index] ?? view.steps.appendChild(stepItem());
    item.dataset.state = step.state;
    item.querySelector(".mark").textContent = marks[step.state];
    item.querySelector(".title").textContent = step.title;
    item.querySelector(".unseen").textContent = `, ${inWords[step.state]}`;
  }
  while (view.steps.children.length > steps.length) view.steps.lastChild.remove();
}

function stepItem() {
  const item = document.createElement("li");
  for (const className of ["mark", "title", "unseen"]) {
    const part = document.createElement("span");
    part.className = className;
    if (className === "mark") part.setAttribute("aria-hidden", "true");
    item.append(part);
  }
  return item;
}

function showEnd(status, name, url) {
  view.open.hidden = status.state !== "completed";
  view.retry.hidden = status.state !== "failed";
  const link = view.open.querySelector("a");
  link.href = url;
  link.textContent = `Open ${name}`;
}
