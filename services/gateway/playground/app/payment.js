// A payment that takes time is paid on another page. Meanwhile its order is watched here, until nothing can change any
// more. One payment is shown at a time: the one that was begun last.

// What is asked of the server while a payment is pending.
export const orderChanged = `subscription OrderChanged($orderId: ID!) {
  orderChanged(orderId: $orderId) { number version state stateReason }
}`;

const underWay = new Set(["ON_HOLD", "PAYING"]);

// subscribe starts a subscription and returns how to end it: (payload, sink) => stop, as graphql-ws does.
export function createPaymentWatch(subscribe) {
  let payment = null; // { orderId, number, state, reason, url, trouble }
  let stop = () => {};
  const listeners = new Set();

  function show(next) {
    payment = next;
    for (const listener of listeners) listener();
  }

  // learn takes every result. Only one of a payment, of an order with its id, is of interest.
  function learn(result) {
    const { order, payment: begun } = result?.data?.payOrder ?? {};
    if (!order?.id || !begun) return;
    stop();
    stop = () => {};
    const url = begun.state === "PENDING" ? pageOf(begun.redirectUrl) : null;
    const state = begun.state === "FAILED" ? "FAILED" : order.state;
    show({ orderId: order.id, number: order.number, state, reason: null, url, trouble: null });
    if (begun.state === "PENDING" && underWay.has(order.state)) follow(order.id);
  }

  function follow(orderId) {
    const mine = (take) => (value) => payment?.orderId === orderId && take(value);
    stop = subscribe(
      { query: orderChanged, variables: { orderId } },
      {
        next: mine((result) => {
          const order = result.data?.orderChanged;
          if (!order) return show({ ...payment, trouble: troubleOf(result.errors) });
          const open = order.state === "ON_HOLD";
          const { state, stateReason: reason } = order;
          show({ ...payment, state, reason, url: open ? payment.url : null, trouble: null });
          if (!underWay.has(state)) stop();
        }),
        error: mine((trouble) => show({ ...payment, trouble: troubleOf(trouble) })),
        complete: () => {},
      },
    );
  }

  function close() {
    stop();
    stop = () => {};
    show(null);
  }

  function listen(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  return { learn, close, listen, current: () => payment };
}

// The page to go on at, null where it is none that a browser should open: the server names it, and so did the provider.
function pageOf(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol) ? url : null;
  } catch {
    return null;
  }
}

function troubleOf(errors) {
  const message = Array.isArray(errors) ? errors[0]?.message : (errors?.reason ?? errors?.message);
  return message || "the order cannot be watched just now";
}
