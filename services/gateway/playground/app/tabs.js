import {
  changeQuotePlaceholder,
  orderIdPlaceholder,
  refundQuotePlaceholder,
  runIdPlaceholder,
  ticketIdPlaceholder,
} from "./handover.js";
import buy from "./tabs/buy.graphql?raw";
import buyVariables from "./tabs/buy.json?raw";
import publish from "./tabs/publish.graphql?raw";
import publishVariables from "./tabs/publish.json?raw";
import refund from "./tabs/refund.graphql?raw";
import refundVariables from "./tabs/refund.json?raw";
import search from "./tabs/search.graphql?raw";
import searchVariables from "./tabs/search.json?raw";
import watch from "./tabs/watch.graphql?raw";
import watchVariables from "./tabs/watch.json?raw";

// The five ways, each a document and its variables. The files are plain GraphQL and JSON, so that a test can hold them
// against the schema; in the variables, words in braces stand for what is known only now.
export function readyTabs() {
  return [
    { query: publish, variables: fillIn(publishVariables) },
    { query: search, variables: fillIn(searchVariables) },
    { query: buy, variables: fillIn(buyVariables) },
    { query: watch, variables: fillIn(watchVariables) },
    { query: refund, variables: fillIn(refundVariables) },
  ];
}

function fillIn(variables) {
  return variables
    .trim()
    .replaceAll("{tomorrow}", tomorrow())
    .replaceAll("{new key}", () => newKey())
    .replaceAll("{run id}", runIdPlaceholder)
    .replaceAll("{order id}", orderIdPlaceholder)
    .replaceAll("{ticket id}", ticketIdPlaceholder)
    .replaceAll("{refund quote id}", refundQuotePlaceholder)
    .replaceAll("{change quote id}", changeQuotePlaceholder);
}

// The day after today in Beijing, where the trains of the ready tabs leave: what day it is at the passenger's desk does
// not matter to a train.
function tomorrow() {
  const dayMilliseconds = 24 * 60 * 60 * 1000;
  const parts = new Intl.DateTimeFormat("en", {
    timeZone: "Asia/Shanghai",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  }).formatToParts(Date.now() + dayMilliseconds);
  const part = (type) => parts.find((each) => each.type === type).value;
  return `${part("year")}-${part("month")}-${part("day")}`;
}

// crypto.randomUUID exists on https and localhost only, and a playground is also opened by an address on the LAN.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
