// What stands in the ready tabs in place of ids, until a result has shown one.
export const runIdPlaceholder = "the run's id: run Search first, it is filled in here";
export const orderIdPlaceholder = "the order's id: run Buy first, it is filled in here";
export const ticketIdPlaceholder = "the ticket's id: run Buy first, it is filled in here";
export const refundQuotePlaceholder = "the quote's id: run Refund first, it is filled in here";
export const changeQuotePlaceholder = "the quote's id: run Change first, it is filled in here";

// Ids are opaque and only the server makes them: the run to buy is the one the last search showed, the order to pay the
// one just placed. The hand-over remembers them from the results and writes them into the variables of the tabs that
// need them, in plain sight, in place of the placeholder or of what it wrote there before; never over what the user
// wrote.
export function createHandOver() {
  let journey = null; // { runId, from, to, seatClass }
  let orderId = null;
  let bought = null; // { orderId, ticketId }: the ticket to change, with the order that it is of
  let refundQuoteId = null;
  let changeQuoteId = null;
  const ours = new Set([
    runIdPlaceholder,
    orderIdPlaceholder,
    ticketIdPlaceholder,
    refundQuotePlaceholder,
    changeQuotePlaceholder,
  ]);
  const listeners = new Set();

  function learn(result) {
    const data = result?.data;
    if (!data) return;
    journey = journeyIn(data) ?? journey;
    // The order that a change has made is the one to pay, and later to give back. What is changed stays the ticket that
    // was bought, so that a repeated change is the same one.
    orderId = data.placeOrder?.order?.id ?? data.changeTicket?.order?.id ?? orderId;
    const placed = data.placeOrder?.order;
    if (placed?.tickets?.[0]?.id) bought = { orderId: placed.id, ticketId: placed.tickets[0].id };
    refundQuoteId = data.refundQuote?.quote?.id ?? data.refundTickets?.quote?.id ?? refundQuoteId;
    changeQuoteId = data.changeQuote?.quote?.id ?? data.changeTicket?.quote?.id ?? changeQuoteId;
    for (const listener of listeners) listener();
  }

  function fill(text) {
    let variables;
    try {
      variables = JSON.parse(text);
    } catch {
      return text; // empty, half typed, or with comments: the user's own
    }
    const before = JSON.stringify(variables);
    const { order, pay, cancel } = variables ?? {};
    if (journey && ours.has(order?.runId)) {
      const { runId, from, to, seatClass } = journey;
      Object.assign(order, { runId, from, to });
      const passengers = Array.isArray(order.passengers) ? order.passengers : [];
      if (seatClass) for (const passenger of passengers) Object.assign(passenger, { seatClass });
    }
    if (journey && ours.has(variables?.runIds?.[0])) {
      Object.assign(variables, { runIds: [journey.runId], from: journey.from, to: journey.to });
    }
    if (orderId && ours.has(pay?.orderId)) pay.orderId = orderId;
    if (orderId && ours.has(cancel?.orderId)) cancel.orderId = orderId;
    const { refund, change, changeTicket } = variables ?? {};
    if (orderId && ours.has(variables?.orderId)) variables.orderId = orderId;
    if (orderId && ours.has(refund?.orderId)) refund.orderId = orderId;
    if (refundQuoteId && ours.has(refund?.quoteId)) refund.quoteId = refundQuoteId;
    if (changeQuoteId && ours.has(changeTicket?.quoteId)) changeTicket.quoteId = changeQuoteId;
    for (const to of [change, changeTicket?.change]) {
      if (bought && ours.has(to?.orderId)) to.orderId = bought.orderId;
      if (bought && ours.has(to?.ticketId)) to.ticketId = bought.ticketId;
      if (journey && ours.has(to?.runId)) {
        Object.assign(to, { runId: journey.runId, from: journey.from, to: journey.to });
      }
    }
    if (journey) ours.add(journey.runId);
    for (const id of [orderId, bought?.orderId, bought?.ticketId, refundQuoteId, changeQuoteId]) if (id) ours.add(id);
    return JSON.stringify(variables) === before ? text : JSON.stringify(variables, null, 2);
  }

  function subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  return { learn, fill, subscribe };
}

function journeyIn(data) {
  const offers = data.searchTickets?.nodes ?? [];
  const offer = offers.find((each) => roomiest(each?.classes)) ?? offers[0];
  if (offer?.run?.id) return journey(offer.run.id, offer.from, offer.to, offer.classes);
  const run = data.run ?? data.publishTrain?.runs?.[0];
  if (run?.id && run.calls?.length) return journey(run.id, run.calls[0], run.calls.at(-1), run.availability?.classes);
  return null;
}

function journey(runId, from, to, classes) {
  return { runId, from: from?.station?.code, to: to?.station?.code, seatClass: roomiest(classes)?.seatClass };
}

// The class with the most seats left: the one a first try is most likely to get.
function roomiest(classes) {
  return (classes ?? []).filter((each) => each.remaining > 0).sort((a, b) => b.remaining - a.remaining)[0];
}
