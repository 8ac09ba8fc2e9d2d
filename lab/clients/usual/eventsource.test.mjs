// EventSource, as browsers have it: it can send no token, and is let in by a ticket that is good for one stream.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { EventSource } from "eventsource";
import { ask, bought, Collected, findRun, operation, purchase, remaining, seats, timeout, url } from "../shop.mjs";

let runId;
before(async () => { runId = await findRun(); });

// open is a stream of one subscription: what it told, its end, and what kept it from being opened.
function open(t, name, variables, streamTicket) {
  const parameters = new URLSearchParams({ query: operation(name), variables: JSON.stringify(variables) });
  if (streamTicket) parameters.set("streamTicket", streamTicket);
  const source = new EventSource(`${url}?${parameters}`);
  t.after(() => source.close());
  const results = new Collected();
  source.addEventListener("next", ({ data }) => results.add(JSON.parse(data)));
  const completed = new Promise((resolve) => source.addEventListener("complete", () => {
    source.close(); // It would come back otherwise.
    resolve();
  }));
  const refused = new Promise((resolve) => source.addEventListener("error", ({ code }) => resolve(code)));
  return { source, results, completed, refused };
}

const ticket = async () => (await ask("CreateStreamTicket", {})).createStreamTicket.streamTicket;

test("seats go and come back, without a token", { timeout }, async (t) => {
  const { results } = open(t, "WatchSeats", { runIds: [runId] });
  const left = remaining(await results.at(0));
  assert.ok(left <= seats);
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  assert.equal(remaining(await results.at(1)), left - 1);
  await ask("CancelOrder", { input: { orderId: order.id } });
  assert.equal(remaining(await results.at(2)), left);
});

test("an order of one's own, by a ticket, which is good for one stream", { timeout }, async (t) => {
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 2) })).placeOrder);
  const streamTicket = await ticket();
  const { results, completed } = open(t, "WatchOrder", { orderId: order.id }, streamTicket);
  assert.equal((await results.at(0)).data.orderChanged.state, "ON_HOLD");
  const again = open(t, "WatchOrder", { orderId: order.id }, streamTicket);
  assert.equal(await again.refused, 401);
  assert.equal(again.source.readyState, EventSource.CLOSED, "it does not try again");
  assert.deepEqual(again.results.list, []);
  await ask("CancelOrder", { input: { orderId: order.id } });
  assert.equal((await results.at(1)).data.orderChanged.state, "CANCELLED");
  await completed;
});

test("a ticket is for a subscription alone", { timeout }, async (t) => {
  assert.equal(await open(t, "MyOrders", {}, await ticket()).refused, 400);
});
