// graphql-sse, in its distinct connections mode: one event stream for each operation.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { createClient, NetworkError } from "graphql-sse";
import {
  ask, authorization, bought, findRun, once, operation, purchase, remaining, search, seats, timeout, trainsFound, url,
} from "../shop.mjs";

let runId;
before(async () => { runId = await findRun(); });

function open(t, options) {
  const client = createClient({ url, singleConnection: false, headers: { authorization }, ...options });
  t.after(() => client.dispose());
  return client;
}

test("queries and mutations, each answered once", { timeout }, async (t) => {
  const client = open(t);
  const found = await once(client, "Search", search);
  assert.equal(found.searchTickets.nodes.length, trainsFound);
  const order = bought((await once(client, "PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  const mine = await once(client, "MyOrders", {});
  assert.equal(mine.viewer.subject, "graphql-sse");
  assert.deepEqual(mine.viewer.orders.nodes.map(({ id }) => id), [order.id]);
});

test("two subscriptions side by side see a seat go and come back", { timeout }, async (t) => {
  const client = open(t);
  const streams = [1, 2].map(() => client.iterate({ query: operation("WatchSeats"), variables: { runIds: [runId] } }));
  const next = async () => {
    const results = await Promise.all(streams.map((each) => each.next()));
    const [one, other] = results.map(({ value }) => remaining(value));
    assert.equal(one, other);
    return one;
  };
  const left = await next();
  assert.ok(left <= seats);
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 2) })).placeOrder);
  assert.equal(await next(), left - 1);
  await ask("CancelOrder", { input: { orderId: order.id } });
  assert.equal(await next(), left);
  await Promise.all(streams.map((each) => each.return()));
});

test("a subscription to an order completes when nothing can change any more", { timeout }, async (t) => {
  const client = open(t);
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 3) })).placeOrder);
  const states = [];
  for await (const { data } of client.iterate({ query: operation("WatchOrder"), variables: { orderId: order.id } })) {
    states.push(data.orderChanged.state);
    if (states.length === 1) await ask("CancelOrder", { input: { orderId: order.id } });
  }
  assert.deepEqual(states, ["ON_HOLD", "CANCELLED"]);
});

test("an operation that GraphQL refuses is a result with errors", { timeout }, async (t) => {
  const client = open(t);
  const results = [];
  for await (const result of client.iterate({ query: "{ nothing }" })) results.push(result);
  assert.equal(results.length, 1);
  assert.match(results[0].errors[0].message, /nothing/);
});

test("a token that is not valid is 401, before there is a stream", { timeout }, async (t) => {
  const client = open(t, { headers: { authorization: "Bearer nobody" }, retryAttempts: 0 });
  await assert.rejects(client.iterate({ query: operation("MyOrders") }).next(), (error) => {
    assert.ok(error instanceof NetworkError);
    assert.equal(error.response.status, 401);
    return true;
  });
});
