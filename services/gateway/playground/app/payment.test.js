import assert from "node:assert/strict";
import test from "node:test";
import { createPaymentWatch } from "./payment.js";

const url = "https://bank.example/pay/1";
const paid = (state, payment, id = "O1") => ({ data: { payOrder: { order: { id, number: "N" + id, state }, payment } } });

// A server that notes subscriptions, and says what a test tells it to.
function server() {
  const streams = [];
  const subscribe = (payload, sink) => {
    const stream = { orderId: payload.variables.orderId, sink, open: true };
    streams.push(stream);
    return () => (stream.open = false);
  };
  const say = (state, stateReason = null) => streams.at(-1).sink.next({ data: { orderChanged: { state, stateReason } } });
  return { streams, say, watch: createPaymentWatch(subscribe) };
}

test("a pending payment shows its page, and its order until it is paid", () => {
  const { streams, say, watch } = server();
  let told = 0;
  watch.listen(() => told++);
  watch.learn(paid("ON_HOLD", { state: "PENDING", redirectUrl: url }));
  assert.deepEqual(watch.current(), {
    orderId: "O1",
    number: "NO1",
    state: "ON_HOLD",
    reason: null,
    url,
    trouble: null,
  });
  assert.equal(streams[0].orderId, "O1");
  say("ON_HOLD");
  assert.equal(watch.current().url, url);
  say("PAYING");
  assert.equal(watch.current().state, "PAYING");
  assert.equal(watch.current().url, null, "nothing is left to do there");
  assert.ok(streams[0].open);
  say("PAID");
  assert.equal(watch.current().state, "PAID");
  assert.ok(!streams[0].open);
  assert.equal(told, 4);
});

test("an order that ends otherwise says why", () => {
  for (const [state, reason] of [
    ["EXPIRED", null],
    ["CANCELLED", "the payment was not completed"],
  ]) {
    const { streams, say, watch } = server();
    watch.learn(paid("ON_HOLD", { state: "PENDING", redirectUrl: url }));
    say(state, reason);
    assert.equal(watch.current().state, state);
    assert.equal(watch.current().reason, reason);
    assert.equal(watch.current().url, null);
    assert.ok(!streams[0].open);
  }
});

test("what is decided at once is not watched", () => {
  for (const payment of [{ state: "SUCCEEDED", redirectUrl: null }, { state: "FAILED", redirectUrl: url }]) {
    const { streams, watch } = server();
    watch.learn(paid(payment.state === "FAILED" ? "ON_HOLD" : "PAID", payment));
    assert.equal(watch.current().state, payment.state === "FAILED" ? "FAILED" : "PAID");
    assert.equal(watch.current().url, null);
    assert.equal(streams.length, 0);
  }
});

test("no address is opened but a page's", () => {
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "/pay", "", null, undefined]) {
    const { watch } = server();
    watch.learn(paid("ON_HOLD", { state: "PENDING", redirectUrl: bad }));
    assert.equal(watch.current().url, null, `${bad}`);
  }
});

test("other results are no payments", () => {
  const { streams, watch } = server();
  for (const result of [null, {}, { data: null }, { data: { payOrder: null } }, paid("PAID", null), paid("PAID", { state: "PENDING" }, "")]) {
    watch.learn(result);
    assert.equal(watch.current(), null);
  }
  assert.equal(streams.length, 0);
});

test("the next payment takes the place of the last, and closing ends it", () => {
  const { streams, watch } = server();
  watch.learn(paid("ON_HOLD", { state: "PENDING", redirectUrl: url }));
  watch.learn(paid("ON_HOLD", { state: "PENDING", redirectUrl: url }, "O2"));
  assert.deepEqual(
    streams.map(({ open }) => open),
    [false, true],
  );
  streams[0].sink.next({ data: { orderChanged: { state: "PAID" } } });
  assert.equal(watch.current().state, "ON_HOLD", "that was the other order");
  watch.close();
  assert.equal(watch.current(), null);
  assert.ok(!streams[1].open);
});

test("trouble is shown, and goes with the next event", () => {
  const { streams, say, watch } = server();
  watch.learn(paid("ON_HOLD", { state: "PENDING", redirectUrl: url }));
  streams[0].sink.error({ code: 1006, reason: "" });
  assert.equal(watch.current().trouble, "the order cannot be watched just now");
  streams[0].sink.error([{ message: "no such order" }]);
  assert.equal(watch.current().trouble, "no such order");
  say("PAYING");
  assert.equal(watch.current().trouble, null);
});
