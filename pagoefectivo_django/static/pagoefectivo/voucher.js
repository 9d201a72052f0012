// Follows a voucher while its payer looks on: copies the code, counts the time, shows the page anew when there is news.
// Everything works without it, by reloading. All words come from the page.
"use strict";
(() => {
  const root = document.getElementById("pagoefectivo");
  if (!root) return;
  const words = root.dataset;
  const spoken = document.getElementById("pagoefectivo-spoken");
  const voucher = () => document.getElementById("pagoefectivo-voucher");
  const say = (text) => { spoken.textContent = ""; requestAnimationFrame(() => { spoken.textContent = text; }); };

  // The clock of the server, since phones have the wrong time more often than one thinks.
  let ahead = Date.parse(voucher().dataset.now) - Date.now();

  // Copying.

  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async (button) => {
    const code = document.getElementById("pagoefectivo-code");
    const label = button.textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(code.textContent.replace(/\D/g, ""));
      done = true;
    } catch {
      // Without HTTPS or permission there is no clipboard; an older way may work, and a selection always does.
      select(code);
      try { done = document.execCommand("copy"); } catch { /* it is selected */ }
    }
    const text = done ? words.copied : words.selected;
    say(text);
    button.textContent = text;
    setTimeout(() => { button.textContent = label; }, 3000);
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("#pagoefectivo-copy");
    if (button && button.textContent !== words.copied && button.textContent !== words.selected) copy(button);
  });

  // Counting down.

  const language = root.lang || "es";
  // Told aloud at these moments only, in minutes: a live countdown would never be silent.
  const marks = [1440, 720, 360, 180, 60, 30, 15, 5, 1];
  let told = null, over = false;
  const aloud = (minutes) => {
    const [count, unit] = minutes >= 60 ? [minutes / 60, "hour"] : [minutes, "minute"];
    const time = new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
    say(words.left.replace("{time}", time));
  };
  const count = () => {
    const shown = document.getElementById("pagoefectivo-left");
    if (!shown) return;
    const seconds = Math.max(0, Math.round((Date.parse(voucher().dataset.expires) - Date.now() - ahead) / 1000));
    const units = shown.dataset.units.split(" ");
    const parts = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
    // As many digits all the time: nothing beside them moves.
    const text = parts.map((part, at) => `${at ? String(part).padStart(2, "0") : part} ${units[at]}`).slice(parts[0] ? 0 : 1).join(" ");
    if (shown.textContent !== text) shown.textContent = text;
    const passed = marks.filter((minutes) => seconds <= minutes * 60).length;
    if (told !== null && passed > told && seconds > 0) aloud(marks[passed - 1]);
    if (seconds === 0 && told !== null && !over) ask();
    over = seconds === 0;
    told = passed;
  };

  // Following.

  let asking = false, timer = 0, asked = 0;
  // A line that went dead without a word must not keep the next question waiting.
  const options = (more) => ({ cache: "no-store", signal: AbortSignal.timeout && AbortSignal.timeout(20000), ...more });
  const show = async () => {
    const answer = await fetch(location.href, options({ redirect: "error" }));
    if (!answer.ok) throw new Error("no page");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("pagoefectivo-voucher");
    // The button that pays needs the page's own headers: they let its form leave.
    if (!next || next.dataset.press !== voucher().dataset.press) return location.reload();
    const chosen = document.querySelector(".pagoefectivo-choice:checked");
    const focused = document.activeElement && voucher().contains(document.activeElement) && document.activeElement.id;
    next.dataset.fresh = "";
    voucher().replaceWith(document.adoptNode(next));
    document.title = page.title;
    if (chosen && document.getElementById(chosen.id)) document.getElementById(chosen.id).checked = true;
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
    told = null;
    say(document.getElementById("pagoefectivo-news").textContent.trim());
    count();
  };
  const ask = async () => {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    let pause = 5;
    try {
      const known = voucher().dataset.etag;
      const answer = await fetch(words.status, options({ headers: { "If-None-Match": known } }));
      const date = Date.parse(answer.headers.get("Date"));
      // It knows whole seconds only; a device that slept is wrong by more.
      if (date && Math.abs(date - Date.now() - ahead) > 2000) ahead = date - Date.now();
      if (answer.ok) await show();
      pause = Number(answer.headers.get("Retry-After")) || pause;
    } catch {
      // Without a connection it asks again later.
    }
    asking = false;
    // More and more seldom while nothing happens: a page may stay open for days.
    if (!document.hidden) timer = setTimeout(ask, Math.max(pause, Math.min(60, asked++ / 4)) * 1000);
  };
  count();
  setInterval(count, 1000);
  timer = setTimeout(ask, 2000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return clearTimeout(timer);
    asked = 0;
    ask();
  });
})();
