// A shop in another language. It knows the address of the OpenAPI file and a token, and nothing else of its payment service.
// It says what it did, one JSON a line, and goes on when a line comes in.
import { once } from "node:events";
import http from "node:http";
import readline from "node:readline";
import { Webhook } from "standardwebhooks";
import { clientOf } from "./client.mjs";

const tell = (told) => process.stdout.write(JSON.stringify(told) + "\n");
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const waitForLine = () => lines.next();

const call = await clientOf(process.env.SCHEMA, process.env.TOKEN);

// Listen, and have the events sent here.
let heard = () => {};
let webhook;
const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const message = webhook.verify(Buffer.concat(chunks).toString(), request.headers);
    response.writeHead(204).end();
    heard(message);
  } catch {
    response.writeHead(401).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const endpoint = await call("create_webhook_endpoint", {
  body: { url: `http://127.0.0.1:${server.address().port}/`, kinds: ["payment_confirmed"] },
});
webhook = new Webhook(endpoint.secret);

// Sell: the line to the service breaks, so the request is repeated with its key.
const wanted = {
  headers: { "Idempotency-Key": "cart-7" },
  body: { reference: "NODE-1", amount: "120.50", currency: "PEN", payer: { email: "ana@example.com" } },
};
await call("create_order", wanted);
const order = await call("create_order", wanted);
const voucher = await (await fetch(order.voucher_url)).text();
tell({ did: "created", order, voucher: voucher.includes(order.code) });

// The payer pays, and the shop hears of it.
const confirmed = new Promise((resolve) => (heard = resolve));
await waitForLine();
const message = await confirmed;
tell({ did: "heard", message });

// A day offline: nothing listens. Afterwards the feed has what was missed, from the place of the last message.
server.close();
server.closeAllConnections();
await waitForLine();
const missed = [];
let after = message.data.event.cursor;
for (;;) {
  const page = await call("list_events", { query: { after, page_size: 2 } });
  missed.push(...page.results);
  if (page.results.length) after = page.results.at(-1).cursor;
  if (!page.next) break;
}
tell({ did: "read", missed });

// The customer returns the goods.
let refund = await call("request_refund", { path: { id: order.id }, body: { amount: "20.50", reason: "One was broken." } });
refund = await call("approve_refund", { path: { id: refund.id } });
tell({ did: "refunded", refund, order: await call("get_order", { path: { id: order.id } }) });
process.exit(0);
