// Takes the page anew when something changed, at most twice in a second.
"use strict";
let waiting = false;

async function refresh() {
  waiting = false;
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("main").replaceWith(page.querySelector("main"));
}

if (location.pathname !== "/login") {
  new EventSource("/v1/events").onmessage = () => {
    if (!waiting) setTimeout(refresh, 500);
    waiting = true;
  };
}
