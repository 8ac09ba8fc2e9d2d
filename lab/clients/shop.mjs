// What all programs share: where the server is, who the program is, the operations, and what it buys. The programs are
// run by the Go tests of this folder, which set the environment. It uses nothing but Node's own modules.
//
//   GRAPHQL_URL   the address of the API, such as http://127.0.0.1:8080/graphql
//   TOKEN         a passenger's token; the passenger is nobody else's
//   RUN_DATE      the date of the runs that this program buys seats of; they are nobody else's
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

// A program is one person who waits for answers from a server on the same machine. This is for a machine that has much
// else to do.
export const timeout = 30_000;

export const url = needed("GRAPHQL_URL");
export const wsUrl = url.replace(/^http/, "ws");
export const token = needed("TOKEN");
export const authorization = `Bearer ${token}`;
export const date = needed("RUN_DATE");

// The timetable of the Go test: train IC 1 calls at these stations, and has this many seats of one class.
export const train = "IC 1";
export const trip = { from: "ZUE", to: "BRN" };
export const search = { from: [trip.from], to: [trip.to], date };
export const trainsFound = 2;
export const seats = 80;

// operation is the text of one of the example operations.
export function operation(name) {
  return readFileSync(new URL(`operations/${name}.graphql`, import.meta.url), "utf8");
}

// ask is a client without any library. The other clients are compared with it, and it does what is not their point.
export async function ask(name, variables, headers = { authorization }) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...headers },
    body: JSON.stringify({ query: operation(name), variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, `${name}: ${JSON.stringify(errors)}`);
  return data;
}

// once is the data of the only result that a client of graphql-ws or graphql-sse has of a query or a mutation.
export async function once(client, name, variables) {
  const results = [];
  for await (const result of client.iterate({ query: operation(name), variables })) results.push(result);
  assert.equal(results.length, 1, name);
  assert.equal(results[0].errors, undefined, `${name}: ${JSON.stringify(results[0].errors)}`);
  return results[0].data;
}

// findRun is the id of the run that the program buys seats of.
export async function findRun() {
  const { run } = await ask("Run", { train, date });
  assert.equal(run.state, "ON_SALE");
  return run.id;
}

// purchase is the input of the n-th order. The same n is the same purchase, and another n another passenger.
export function purchase(runId, n) {
  return {
    idempotencyKey: `purchase-${n}`,
    runId,
    ...trip,
    passengers: [{ name: "A Passenger", documentNumber: `DOC${1000 + n}`, seatClass: "SECOND" }],
  };
}

// bought checks the answer to a purchase, and is the order.
export function bought(payload) {
  assert.deepEqual(payload.userErrors, []);
  assert.equal(payload.order.state, "ON_HOLD");
  assert.equal(payload.order.tickets.length, 1);
  assert.match(payload.order.tickets[0].seat, /^\d+[A-D]$/);
  return payload.order;
}

// remaining is how many seats of the only class an entry of seatAvailability has.
export function remaining(result) {
  const { errors, data } = result;
  assert.equal(errors, undefined, JSON.stringify(errors));
  assert.equal(data.seatAvailability.classes.length, 1);
  return data.seatAvailability.classes[0].remaining;
}

// Collected is a list that grows, and promises of it. A program waits for what must come, and not for a while.
export class Collected {
  list = [];
  #waiting = [];

  add(one) {
    this.list.push(one);
    this.#waiting = this.#waiting.filter(({ index, resolve }) => {
      if (index >= this.list.length) return true;
      resolve(this.list[index]);
      return false;
    });
  }

  // fail ends all waits.
  fail(error) {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }

  // at waits for the entry of an index.
  at(index) {
    if (index < this.list.length) return Promise.resolve(this.list[index]);
    return new Promise((resolve, reject) => this.#waiting.push({ index, resolve, reject }));
  }
}

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: the Go tests of lab/clients run this program`);
  return value;
}
