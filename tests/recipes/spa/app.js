// <pago-efectivo voucher="/pay/…/"> shows how the payment of an order stands, and sends an event "status" with each news.
"use strict";

const WORDS = {
  getting: "Estamos pidiendo tu código…",
  waiting: "Paga con este código:",
  overdue: "Se acabó el tiempo. Comprobamos si pagaste…",
  paid: "¡Pagado! Gracias.",
  expired: "El código venció.",
  cancelled: "El pedido fue anulado.",
  rejected: "No pudimos obtener un código.",
  in_review: "Estamos revisando tu pago.",
  refunded: "Te devolvimos el dinero.",
};

customElements.define("pago-efectivo", class extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "status");
    this.gone = false;
    this.look();
  }

  disconnectedCallback() {
    this.gone = true;
    clearTimeout(this.timer);
  }

  async look() {
    let pause = 10; // seconds, without a connection; the service says how long otherwise
    try {
      const answer = await fetch(`${this.getAttribute("voucher")}status/`, {
        cache: "no-store",
        headers: this.etag ? { "If-None-Match": this.etag } : {},
      });
      pause = Number(answer.headers.get("Retry-After")) || pause;
      if (answer.ok) {
        this.etag = answer.headers.get("ETag");
        this.show(await answer.json());
      }
    } catch {
      // Looked again below.
    }
    if (!this.gone) this.timer = setTimeout(() => this.look(), pause * 1000);
  }

  show(now) {
    const parts = [WORDS[now.shown]];
    if (now.shown === "waiting") parts.push(now.code, `${now.currency} ${now.amount}`);
    this.replaceChildren(...parts.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    if (now.shown === "waiting" && now.payment_url) {
      this.append(Object.assign(document.createElement("a"), { href: now.payment_url, textContent: "Ir a pagar" }));
    }
    this.dispatchEvent(new CustomEvent("status", { detail: now }));
  }
});

document.querySelector("button").addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true;
  const answer = await fetch("checkout/", { method: "POST" });
  const payment = document.createElement("pago-efectivo");
  payment.setAttribute("voucher", (await answer.json()).voucher);
  button.replaceWith(payment);
});
