// graphql-ws: its client for queries, mutations and subscriptions on one socket, its pings, and its close codes.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloseCode, createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL } from "graphql-ws";
import WebSocket from "ws";
import {
  ask, authorization, bought, Collected, findRun, once, operation, purchase, remaining, search, seats, timeout, token,
  trainsFound, wsUrl,
} from "../shop.mjs";

let runId;
let silent; // a socket that says nothing, while the other tests run
before(async () => {
  silent = raw(null, []);
  runId = await findRun();
});
after(() => silent.socket.terminate());

function open(t, options) {
  const client = createClient({
    url: wsUrl, webSocketImpl: WebSocket, connectionParams: { authorization }, lazyCloseTimeout: 0, ...options,
  });
  t.after(() => client.dispose());
  return client;
}

test("queries and mutations, each answered once, on one socket", { timeout }, async (t) => {
  let connections = 0;
  const client = open(t, { lazy: false, on: { connected: () => connections++ } });
  const found = await once(client, "Search", search);
  assert.equal(found.searchTickets.nodes.length, trainsFound);
  const order = bought((await once(client, "PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  const again = bought((await once(client, "PlaceOrder", { input: purchase(runId, 1) })).placeOrder);
  assert.equal(again.id, order.id, "the same key is the same order");
  const mine = await once(client, "MyOrders", {});
  assert.equal(mine.viewer.subject, "graphql-ws");
  assert.deepEqual(mine.viewer.orders.nodes.map(({ id }) => id), [order.id]);
  assert.equal(connections, 1);
});

test("a subscription sees a seat go and come back, and ends when it is left", { timeout }, async (t) => {
  const client = open(t);
  const events = client.iterate({ query: operation("WatchSeats"), variables: { runIds: [runId] } });
  const left = remaining((await events.next()).value);
  assert.ok(left <= seats);
  const order = bought((await ask("PlaceOrder", { input: purchase(runId, 2) })).placeOrder);
  assert.equal(remaining((await events.next()).value), left - 1);
  await ask("CancelOrder", { input: { orderId: order.id } });
  assert.equal(remaining((await events.next()).value), left);
  await events.return();
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

test("an operation that is refused ends with its errors, and the socket goes on", { timeout }, async (t) => {
  const client = open(t, { lazy: false });
  const refused = client.iterate({ query: "{ nothing }" });
  await assert.rejects(refused.next(), (errors) => {
    assert.match(errors[0].message, /nothing/);
    assert.equal(typeof errors[0].extensions.code, "string");
    return true;
  });
  await once(client, "Search", search);
});

test("the client's pings are answered", { timeout }, async (t) => {
  const pongs = new Collected();
  open(t, { lazy: false, keepAlive: 50, on: { pong: (received) => received && pongs.add(received) } });
  await pongs.at(2);
});

test("a lost connection is made again, and the subscription with it", { timeout }, async (t) => {
  let sockets = 0;
  const client = open(t, { retryWait: async () => {}, on: { connected: () => sockets++ } });
  const events = client.iterate({ query: operation("WatchSeats"), variables: { runIds: [runId] } });
  const left = remaining((await events.next()).value);
  client.terminate();
  assert.equal(remaining((await events.next()).value), left, "the first event of a subscription is a snapshot");
  assert.equal(sockets, 2);
  await events.return();
});

test("a token that is not valid closes the socket, and the reason has the code", { timeout }, async (t) => {
  const client = open(t, { connectionParams: { authorization: "Bearer nobody" }, retryAttempts: 0 });
  await assert.rejects(client.iterate({ query: operation("MyOrders") }).next(), (closed) => {
    assert.equal(closed.code, CloseCode.Forbidden);
    assert.match(closed.reason, /^UNAUTHENTICATED: /);
    return true;
  });
});

test("a token that is renewed after a refusal is taken", { timeout }, async (t) => {
  let asked = 0;
  const client = open(t, {
    connectionParams: () => ({ authorization: asked++ === 0 ? "Bearer nobody" : authorization }),
    retryWait: async () => {},
  });
  assert.equal((await once(client, "MyOrders", {})).viewer.subject, "graphql-ws");
  assert.equal(asked, 2);
});

// Where recipes put the token.
const payloads = {
  "authorization": { authorization },
  "Authorization": { Authorization: authorization },
  "headers.authorization": { headers: { authorization } },
  "headers.Authorization": { headers: { Authorization: authorization } },
  "headers.authorization, without Bearer": { headers: { authorization: token } },
  "authToken": { authToken: token },
  "accessToken": { accessToken: token },
  "token": { token },
};

for (const [name, connectionParams] of Object.entries(payloads)) {
  test(`the token in ${name}`, { timeout }, async (t) => {
    const { viewer } = await once(open(t, { connectionParams }), "MyOrders", {});
    assert.equal(viewer.subject, "graphql-ws");
  });
}

test("two different tokens are refused", { timeout }, async (t) => {
  const connectionParams = { authorization, headers: { authorization: "another" } };
  const client = open(t, { connectionParams, retryAttempts: 0 });
  await assert.rejects(client.iterate({ query: operation("MyOrders") }).next(), { code: CloseCode.Forbidden });
});

// What follows is no client's usual behaviour: a socket that breaks one rule of the protocol.
const init = { type: "connection_init" };
const watch = () => ({ id: "1", type: "subscribe", payload: {
  query: operation("WatchSeats"), variables: { runIds: [runId] } } });

// raw opens a socket, sends messages when it is open, and is what came and how it closed.
function raw(t, messages, protocol = GRAPHQL_TRANSPORT_WS_PROTOCOL) {
  const socket = new WebSocket(wsUrl, protocol);
  t?.after(() => socket.terminate());
  const received = new Collected();
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.on("error", (error) => received.fail(error));
  socket.on("message", (data) => received.add(JSON.parse(data)));
  socket.on("open", () => messages.forEach((each) => {
    socket.send(Buffer.isBuffer(each) || typeof each === "string" ? each : JSON.stringify(each));
  }));
  return { socket, received, closed };
}

const rules = {
  "a subscription before connection_init": [() => [watch()], CloseCode.Unauthorized],
  "two connection_init": [() => [init, init], CloseCode.TooManyInitialisationRequests],
  "two operations with one id": [() => [init, watch(), watch()], CloseCode.SubscriberAlreadyExists],
  "a connection_init whose payload is no object": [() => [{ ...init, payload: "token" }], CloseCode.BadRequest],
  "a subscribe without a query": [() => [init, { ...watch(), payload: {} }], CloseCode.BadRequest],
  "a subscribe whose variables are no object":
    [() => [init, { ...watch(), payload: { query: "{ viewer { subject } }", variables: 1 } }], CloseCode.BadRequest],
  "a message of no known type": [() => [init, { type: "start" }], CloseCode.BadRequest],
  "a message that is no JSON": [() => [init, "{"], CloseCode.BadRequest],
  "a message of bytes": [() => [Buffer.from([1])], CloseCode.BadRequest],
};

for (const [name, [messages, code]] of Object.entries(rules)) {
  test(`${name}: ${code}`, { timeout }, async (t) => {
    assert.equal(await raw(t, messages()).closed, code);
  });
}


for (const protocol of ["graphql-ws", undefined]) {
  test(`the subprotocol ${protocol}: 4406`, { timeout }, async (t) => {
    assert.equal(await raw(t, [], protocol ?? []).closed, CloseCode.SubprotocolNotAcceptable);
  });
}

test("a ping before connection_init is answered, with its payload", { timeout }, async (t) => {
  const { received } = raw(t, [{ type: "ping", payload: { at: 1 } }]);
  assert.deepEqual(await received.at(0), { type: "pong", payload: { at: 1 } });
});

test("no connection_init in ten seconds: 4408", { timeout }, async () => {
  assert.equal(await silent.closed, CloseCode.ConnectionInitialisationTimeout);
});
