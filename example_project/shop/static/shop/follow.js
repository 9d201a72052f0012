// Follows an order while its payer looks on: shows the page anew when there is news.
"use strict";
(() => {
  const PAUSE = 5000;
  const { state, code, statusUrl } = document.querySelector("[data-status-url]").dataset;

  const look = async () => {
    // The state of a paid order has no more news; what is still to come, the shipping, is on the page itself.
    if (state === "paid") return location.reload();
    try {
      const answer = await fetch(statusUrl, { cache: "no-store" });
      const now = answer.ok ? await answer.json() : { state, code };
      if (now.state !== state || now.code !== code) return location.reload();
    } catch {
      // Without a connection it looks again later.
    }
    setTimeout(look, PAUSE);
  };
  setTimeout(look, PAUSE);
})();
