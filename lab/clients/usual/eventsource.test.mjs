// A browser's EventSource, which sends no header but Accept: with a stream ticket in its URL.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ask, bought, findRun, operation, purchase, timeout, url } from "../shop.mjs";

let runId;
before(async () => { runId = await findRun(); });

// ticketed is the URL of a subscription, with a new ticket.
async function ticketed(name, variables) {
  const { createStreamTicket } = await ask("CreateStreamTicket", {});
  const { streamTicket } = createStreamTicket;
  const parameters = { query: operation(name), variables: JSON.stringify(variables), streamTicket };
  return `${url}?${new URLSearchParams(parameters)}`;
}

// source asks as an EventSource does, and yields what its listeners for "next" are given.
async function* source(address) {
  const response = await fetch(address, { headers: { accept: "text/event-stream" } });
  if (response.status !== 200) throw new Error(String(response.status));
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [kind, data] = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      if (kind === "event: next") yield JSON.parse(data.replace(/^data: /, ""));
      if (kind === "event: complete") return;
    }
  }
}

test("a ticket lets one stream in as its viewer, once", { timeout }, async () => {
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  const address = await ticketed("WatchOrder", { orderId: order.id });
  const states = [];
  for await (const { data } of source(address)) {
    states.push(data.orderChanged.state);
    if (states.length === 1) {
      await assert.rejects(source(address).next(), /401/, "the ticket is used");
      await ask("CancelOrder", { input: { orderId: order.id } });
    }
  }
  assert.deepEqual(states, ["ON_HOLD", "CANCELLED"]);
});

test("a ticket is for a subscription alone", { timeout }, async () => {
  await assert.rejects(source(await ticketed("MyOrders", {})).next(), /400/);
});
