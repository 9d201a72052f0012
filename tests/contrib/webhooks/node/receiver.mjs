// A receiver of webhooks: says on which port it listens, then for each request whether the package of Standard Webhooks
// verified it, one JSON a line. Its secret is in WEBHOOK_SECRET.
import http from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const tell = (told) => process.stdout.write(JSON.stringify(told) + "\n");

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const message = webhook.verify(Buffer.concat(chunks).toString(), request.headers);
    response.writeHead(204).end();
    tell({ verified: true, id: request.headers["webhook-id"], message });
  } catch (error) {
    response.writeHead(401).end();
    tell({ verified: false, error: error.message });
  }
});
server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
