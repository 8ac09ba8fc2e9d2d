// Apollo Client 4: queries, mutations, its cache, and subscriptions over graphql-ws.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, test } from "node:test";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import {
  ask, authorization, bought, Collected, findRun, operation, purchase, remaining, search, seats, timeout, trainsFound,
  url, wsUrl,
} from "../shop.mjs";

let runId;
before(async () => { runId = await findRun(); });

const documentOf = (name) => gql(operation(name));

// open is a client, and what its HTTP requests sent and were answered with. Operations pass the links of `before`
// first. Without `splits`, subscriptions go the way of queries.
function open(t, { before = [], splits = true } = {}) {
  const asked = [];
  const http = new HttpLink({
    uri: url,
    headers: { authorization },
    fetch: async (...request) => {
      const response = await fetch(...request);
      asked.push({ body: JSON.parse(request[1].body), status: response.status });
      return response;
    },
  });
  const socket = createClient({
    url: wsUrl, webSocketImpl: WebSocket, connectionParams: { authorization }, lazyCloseTimeout: 0,
  });
  const isSubscription = ({ operationType }) => splits && operationType === OperationTypeNode.SUBSCRIPTION;
  const link = ApolloLink.from([...before, ApolloLink.split(isSubscription, new GraphQLWsLink(socket), http)]);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  t.after(() => {
    client.stop();
    return socket.dispose();
  });
  return { client, asked };
}

test("a query, from the server and then from the cache", { timeout }, async (t) => {
  const { client, asked } = open(t);
  const query = { query: documentOf("Search"), variables: search };
  const first = await client.query(query);
  assert.equal(first.data.searchTickets.nodes.length, trainsFound);
  assert.deepEqual((await client.query(query)).data, first.data);
  assert.equal(asked.length, 1);
});

test("mutations and subscriptions change what the cache has of an order", { timeout }, async (t) => {
  const { client, asked } = open(t);
  const place = { mutation: documentOf("PlaceOrder"), variables: { input: purchase(runId, 1) } };
  const order = bought((await client.mutate(place)).data.placeOrder);
  assert.equal(bought((await client.mutate(place)).data.placeOrder).id, order.id, "the same key is the same order");
  const mine = { query: documentOf("MyOrders") };
  const states = async () => (await client.query(mine)).data.viewer.orders.nodes.map(({ state }) => state);
  assert.deepEqual(await states(), ["ON_HOLD"]);
  const requests = asked.length;
  const payment = { orderId: order.id, idempotencyKey: "payment-1" };
  await client.mutate({ mutation: documentOf("PayOrder"), variables: { input: payment } });
  assert.deepEqual(await states(), ["PAID"], "by the order's id");
  assert.equal(asked.length, requests + 1, "the mutation's own request");

  const other = bought((await client.mutate({ ...place, variables: { input: purchase(runId, 4) } })).data.placeOrder);
  const changes = new Collected();
  const subscription = client.subscribe({ query: documentOf("WatchOrder"), variables: { orderId: other.id } })
    .subscribe({ next: (result) => changes.add(result), error: (error) => changes.fail(error) });
  await changes.at(0);
  await ask("CancelOrder", { input: { orderId: other.id } });
  await changes.at(1);
  subscription.unsubscribe();
  assert.equal(client.readFragment({ id: `Order:${other.id}`, fragment: gql`fragment F on Order { state }` }).state,
    "CANCELLED");
});

test("two queries of the viewer add to one another in the cache", { timeout }, async (t) => {
  const { client, asked } = open(t);
  const query = { query: documentOf("MyOrders") };
  const first = await client.query(query);
  await client.query({ query: gql`query Roles { viewer { id roles } }` });
  assert.deepEqual((await client.query(query)).data, first.data);
  assert.equal(asked.length, 2);
});

test("an error of a query has its message and code", { timeout }, async (t) => {
  const { client } = open(t);
  await assert.rejects(client.query({ query: gql`{ nothing }` }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.match(error.errors[0].message, /nothing/);
    assert.equal(typeof error.errors[0].extensions.code, "string");
    return true;
  });
});

test("subscriptions over GraphQLWsLink", { timeout }, async (t) => {
  const { client, asked } = open(t);
  const results = new Collected();
  const subscription = client.subscribe({ query: documentOf("WatchSeats"), variables: { runIds: [runId] } })
    .subscribe({ next: (result) => results.add(result), error: (error) => results.fail(error) });
  const left = remaining(await results.at(0));
  assert.ok(left <= seats);
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 2) })).placeOrder);
  assert.equal(remaining(await results.at(1)), left - 1);
  await ask("CancelOrder", { input: { orderId: order.id } });
  assert.equal(remaining(await results.at(2)), left);
  subscription.unsubscribe();
  assert.deepEqual(asked, []);
});

test("a subscription without a link of its own is told what it needs", { timeout }, async (t) => {
  const { client, asked } = open(t, { splits: false });
  const results = new Collected();
  client.subscribe({ query: documentOf("WatchSeats"), variables: { runIds: [runId] } })
    .subscribe((result) => results.add(result));
  const { error } = await results.at(0);
  assert.match(error.message, /WebSocket/);
  assert.deepEqual(asked.map(({ status }) => status), [400]);
});

test("a query by its hash is sent whole when the server asks for it, and is answered", { timeout }, async (t) => {
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const { client, asked } = open(t, { before: [new PersistedQueryLink({ sha256 })] });
  for (const first of [1, 2]) {
    const { data } = await client.query({ query: documentOf("Search"), variables: { ...search, first } });
    assert.equal(data.searchTickets.nodes.length, first);
  }
  assert.deepEqual(asked.map(({ body }) => "query" in body), [false, true, true]);
});
