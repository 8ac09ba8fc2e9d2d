// urql, with its own Accept header: each query and mutation is answered once, as JSON; subscriptions come over
// graphql-ws, or as an event stream over fetch.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import { pipe, subscribe } from "wonka";
import WebSocket from "ws";
import {
  ask, authorization, bought, Collected, findRun, operation, purchase, remaining, search, seats, timeout, trainsFound,
  url, wsUrl,
} from "../shop.mjs";

let runId;
before(async () => { runId = await findRun(); });

// What urql leaves of a request must not fail behind its back.
const unhandled = [];
process.on("unhandledRejection", (error) => unhandled.push(error));
after(() => assert.deepEqual(unhandled, []));

// open is a client, and what its requests asked for and were answered with.
function open(options) {
  const asked = [];
  const client = new Client({
    url,
    exchanges: [cacheExchange, fetchExchange],
    fetchOptions: () => ({ headers: { authorization } }),
    fetch: async (...request) => {
      const response = await fetch(...request);
      const accept = new Headers(request[1].headers).get("accept");
      asked.push({ accept, status: response.status, type: response.headers.get("content-type") });
      return response;
    },
    ...options,
  });
  return { client, asked };
}

// once runs one operation, and is its result when all of it has come. A second result of one operation would be an
// error, and so would a stream.
async function once({ client, asked }, name, variables, query = operation(name)) {
  const before = asked.length;
  const results = new Collected();
  const source = query.startsWith("mutation")
    ? client.mutation(query, variables)
    : client.query(query, variables, { requestPolicy: "network-only" });
  const { unsubscribe } = pipe(source, subscribe((result) => results.add(result)));
  const first = await results.at(0);
  // urql answers a stream's end, or what comes behind a JSON text, before the next request is answered.
  await ask("Search", search);
  unsubscribe();
  assert.equal(results.list.length, 1, `${name} has ${results.list.length} results`);
  assert.equal(first.hasNext, false);
  assert.equal(asked.length, before + 1, "one request");
  assert.match(asked[before].accept, /text\/event-stream/, "urql's own Accept");
  assert.match(asked[before].type, /^application\/graphql-response\+json\b/);
  return first;
}

async function answered(opened, name, variables) {
  const { data, error } = await once(opened, name, variables);
  assert.equal(error, undefined, `${name}: ${error}`);
  return data;
}

test("twenty queries, each answered once as JSON", { timeout }, async () => {
  const opened = open();
  for (let n = 0; n < 20; n++) {
    const data = await answered(opened, "Search", { ...search, first: 1 + n });
    assert.equal(data.searchTickets.nodes.length, Math.min(1 + n, trainsFound));
  }
});

test("mutations, each answered once as JSON", { timeout }, async () => {
  const opened = open();
  const order = bought((await answered(opened, "PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  const again = bought((await answered(opened, "PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  assert.equal(again.id, order.id, "the same key is the same order");
  const paid = await answered(opened, "PayOrder", { input: { orderId: order.id, idempotencyKey: "payment-1" } });
  assert.deepEqual(paid.payOrder.userErrors, []);
  const { cancelOrder } = await answered(opened, "CancelOrder", { input: { orderId: order.id } });
  assert.equal(cancelOrder.userErrors[0].code, "WRONG_STATE", "it is paid");
  const mine = await answered(opened, "MyOrders", {});
  assert.deepEqual(mine.viewer.orders.nodes.map(({ id }) => id), [order.id]);
});

test("a cached query asks the server once", { timeout }, async () => {
  const { client, asked } = open();
  for (let n = 0; n < 3; n++) await client.query(operation("Search"), search);
  assert.equal(asked.length, 1);
});

test("a query that GraphQL refuses has its message and code, and no data", { timeout }, async () => {
  const opened = open();
  const { data, error } = await once(opened, "a field that is not there", {}, "{ nothing }");
  assert.ok(data === undefined || data === null);
  assert.match(error.graphQLErrors[0].message, /nothing/);
  assert.equal(typeof error.graphQLErrors[0].extensions.code, "string");
  assert.equal(opened.asked[0].status, 400);
});

// watch sees a seat go and come back.
async function watch(client, n) {
  const results = new Collected();
  const { unsubscribe } = pipe(
    client.subscription(operation("WatchSeats"), { runIds: [runId] }),
    subscribe((result) => results.add(result)),
  );
  const at = async (index) => {
    const { error, data } = await results.at(index);
    return remaining({ errors: error, data });
  };
  const left = await at(0);
  assert.ok(left <= seats);
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, n) })).placeOrder);
  assert.equal(await at(1), left - 1);
  await ask("CancelOrder", { input: { orderId: order.id } });
  assert.equal(await at(2), left);
  assert.equal(results.list.length, 3);
  unsubscribe();
}

test("subscriptions over graphql-ws", { timeout }, async (t) => {
  const socket = createClient({
    url: wsUrl, webSocketImpl: WebSocket, connectionParams: { authorization }, lazyCloseTimeout: 0,
  });
  t.after(() => socket.dispose());
  const { client, asked } = open({
    exchanges: [cacheExchange, fetchExchange, subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? "" }, sink) }),
      }),
    })],
  });
  await watch(client, 2);
  assert.deepEqual(asked, []);
});

test("subscriptions over fetch, as an event stream", { timeout }, async () => {
  const { client, asked } = open({ fetchSubscriptions: true });
  await watch(client, 3);
  assert.equal(asked.length, 1);
  assert.match(asked[0].type, /^text\/event-stream\b/);
});
