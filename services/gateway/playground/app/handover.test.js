import assert from "node:assert/strict";
import test from "node:test";
import {
  changeQuotePlaceholder,
  createHandOver,
  orderIdPlaceholder,
  refundQuotePlaceholder,
  runIdPlaceholder,
  ticketIdPlaceholder,
} from "./handover.js";

const call = (code) => ({ station: { code } });
const classes = [
  { seatClass: "BUSINESS", remaining: 2 },
  { seatClass: "SECOND", remaining: 90 },
  { seatClass: "FIRST", remaining: null },
];
const offer = (id, left = classes) => ({ run: { id }, from: call("VNP"), to: call("AOH"), classes: left });
const search = (...nodes) => ({ data: { searchTickets: { nodes } } });

const buyVariables = (runId = runIdPlaceholder) =>
  JSON.stringify({
    order: { idempotencyKey: "0123456789", runId, from: "?", to: "?", passengers: [{ name: "A Passenger", seatClass: "?" }] },
    pay: { orderId: orderIdPlaceholder },
    cancel: { orderId: orderIdPlaceholder },
  });

test("a search fills in the run, the stations and the class with the most seats", () => {
  const handOver = createHandOver();
  handOver.learn(search(offer("R1")));
  const { order, pay } = JSON.parse(handOver.fill(buyVariables()));
  assert.deepEqual(order, {
    idempotencyKey: "0123456789",
    runId: "R1",
    from: "VNP",
    to: "AOH",
    passengers: [{ name: "A Passenger", seatClass: "SECOND" }],
  });
  assert.equal(pay.orderId, orderIdPlaceholder);
  const watch = handOver.fill(JSON.stringify({ runIds: [runIdPlaceholder], from: "?", to: "?" }));
  assert.deepEqual(JSON.parse(watch), { runIds: ["R1"], from: "VNP", to: "AOH" });
});

test("the first offer with seats is taken; a sold-out one where there is no other", () => {
  const handOver = createHandOver();
  const soldOut = [{ seatClass: "SECOND", remaining: 0 }];
  handOver.learn(search(offer("R1", soldOut), offer("R2")));
  assert.equal(JSON.parse(handOver.fill(buyVariables())).order.runId, "R2");
  handOver.learn(search(offer("R1", soldOut)));
  assert.equal(JSON.parse(handOver.fill(buyVariables())).order.runId, "R1");
});

test("a run, published or looked up, is handed on from its first call to its last", () => {
  const calls = [call("BJP"), call("TJP"), call("SHH")];
  for (const data of [{ publishTrain: { runs: [{ id: "R1", calls }] } }, { run: { id: "R1", calls } }]) {
    const handOver = createHandOver();
    handOver.learn({ data });
    const { order } = JSON.parse(handOver.fill(buyVariables()));
    assert.deepEqual([order.runId, order.from, order.to], ["R1", "BJP", "SHH"]);
    assert.equal(order.passengers[0].seatClass, "?", "nothing is known about what is left");
  }
});

test("what was filled in follows the next search; what the user wrote stays", () => {
  const handOver = createHandOver();
  handOver.learn(search(offer("R1")));
  const filled = handOver.fill(buyVariables());
  handOver.learn(search(offer("R2")));
  assert.equal(JSON.parse(handOver.fill(filled)).order.runId, "R2");
  const own = buyVariables("the user's own");
  assert.equal(handOver.fill(own), own);
});

test("an order fills in what pays and what cancels it", () => {
  const handOver = createHandOver();
  handOver.learn({ data: { placeOrder: { order: { id: "O1" } } } });
  const { pay, cancel } = JSON.parse(handOver.fill(buyVariables()));
  assert.deepEqual([pay.orderId, cancel.orderId], ["O1", "O1"]);
});

test("an order, its ticket and a quote fill in what gives it back and what changes it", () => {
  const to = () => ({ orderId: orderIdPlaceholder, ticketId: ticketIdPlaceholder, runId: runIdPlaceholder, from: "?", to: "?" });
  const variables = JSON.stringify({
    orderId: orderIdPlaceholder,
    refund: { orderId: orderIdPlaceholder, quoteId: refundQuotePlaceholder },
    change: to(),
    changeTicket: { change: to(), quoteId: changeQuotePlaceholder },
  });
  const handOver = createHandOver();
  handOver.learn(search(offer("R1")));
  handOver.learn({ data: { placeOrder: { order: { id: "O1", tickets: [{ id: "T1" }, { id: "T2" }] } } } });
  handOver.learn({ data: { refundQuote: { quote: { id: "Q1" } } } });
  handOver.learn({ data: { changeQuote: { quote: { id: "Q2" } } } });
  const filled = handOver.fill(variables);
  const change = { orderId: "O1", ticketId: "T1", runId: "R1", from: "VNP", to: "AOH" };
  assert.deepEqual(JSON.parse(filled), {
    orderId: "O1",
    refund: { orderId: "O1", quoteId: "Q1" },
    change,
    changeTicket: { change, quoteId: "Q2" },
  });
  handOver.learn({ data: { refundTickets: { quote: { id: "Q3" } } } });
  assert.equal(JSON.parse(handOver.fill(filled)).refund.quoteId, "Q3", "a stale quote's place is the new one's");
  handOver.learn({ data: { changeTicket: { order: { id: "O2" } } } });
  const after = JSON.parse(handOver.fill(filled));
  assert.equal(after.refund.orderId, "O2");
  assert.deepEqual(after.changeTicket.change, change, "the same key is the same change only for the same ticket");
});

test("nothing is made of results without ids or of text that is not plain JSON", () => {
  const handOver = createHandOver();
  for (const result of [
    null,
    {},
    { errors: [] },
    { data: null },
    { data: { searchTickets: null, run: null } },
    search(),
    { data: { publishTrain: { runs: null } } },
    { data: { placeOrder: { order: null } } },
  ]) {
    handOver.learn(result);
    assert.equal(handOver.fill(buyVariables()), buyVariables());
  }
  handOver.learn(search(offer("R1")));
  for (const text of ["", "{", "null", "[]", '"text"', "{}", '{"order": null}', "{ /* mine */ }"]) {
    assert.equal(handOver.fill(text), text);
  }
});
