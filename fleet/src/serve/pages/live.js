// Takes the page anew when something changed, at most twice in a second. Where nobody tells of changes, as the service is
// away or tells too many others, the page says that it may be old, and looks again every few seconds.
"use strict";
const AGAIN = 3000;
let waiting = false;

let asked = 0;
let shown = 0;

async function refresh() {
  waiting = false;
  const number = ++asked;
  const answer = await fetch(location.href, { cache: "no-store" });
  if (answer.redirected) location.reload();
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // A later one may have been answered first.
  if (number < shown) return;
  shown = number;
  document.querySelector("main").replaceWith(page.querySelector("main"));
}

function soon() {
  if (!waiting) setTimeout(refresh, 500);
  waiting = true;
}

function listen() {
  const events = new EventSource("/v1/events");
  events.onmessage = soon;
  events.onopen = () => {
    document.body.classList.remove("old");
    soon();
  };
  events.onerror = () => {
    document.body.classList.add("old");
    // Any answer but events ends it for good.
    if (events.readyState !== EventSource.CLOSED) return;
    soon();
    setTimeout(listen, AGAIN);
  };
}

if (location.pathname !== "/login") listen();
