// Reads the page again every few seconds while its run goes on, and keeps what the reader has opened.
"use strict";
(() => {
  const opened = (root) => [...root.querySelectorAll("details")].map((part) => part.open);
  const again = async () => {
    const main = document.querySelector("main[data-follow]");
    if (!main) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (answer.ok && fresh && !main.contains(document.activeElement?.closest("input, select, textarea"))) {
        const before = opened(main);
        const place = [...main.querySelectorAll("a, summary, [tabindex]")].indexOf(document.activeElement);
        main.replaceWith(document.adoptNode(fresh));
        const parts = [...fresh.querySelectorAll("details")];
        if (parts.length === before.length) parts.forEach((part, number) => { part.open = before[number]; });
        if (place >= 0) fresh.querySelectorAll("a, summary, [tabindex]")[place]?.focus({ preventScroll: true });
      }
    } catch {
      // The server has ended, or is busy: the next time may do.
    }
    const next = document.querySelector("main[data-follow]");
    if (next) setTimeout(again, 1000 * Number(next.dataset.follow));
  };
  const main = document.querySelector("main[data-follow]");
  if (main) setTimeout(again, 1000 * Number(main.dataset.follow));
})();
