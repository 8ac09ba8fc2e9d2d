// An app that is written against the generated types. The compiler reads it; it is not run.
import type {
  PlaceOrderMutation, PlaceOrderMutationVariables, SearchQuery, SearchQueryVariables, WatchSeatsSubscription,
} from "./made";

export const variables: SearchQueryVariables = { from: ["ZUE"], to: ["BRN"], date: "2030-01-01" };

export function cheapest(found: SearchQuery): string | undefined {
  const prices = found.searchTickets?.nodes.flatMap(({ classes }) => classes.map(({ price }) => price.amount));
  return prices?.sort((a, b) => Number(a) - Number(b))[0];
}

export function left(event: WatchSeatsSubscription): number {
  // What is left may be null, and TypeScript insists on the question.
  return event.seatAvailability.classes.reduce((sum, { remaining }) => sum + (remaining ?? 0), 0);
}

export function seat(answer: PlaceOrderMutation): string | undefined {
  return answer.placeOrder?.order?.tickets[0]?.seat;
}

export const order: PlaceOrderMutationVariables = {
  input: {
    idempotencyKey: "purchase-1",
    runId: "1",
    from: "ZUE",
    to: "BRN",
    passengers: [{ name: "A Passenger", documentNumber: "DOC1000", seatClass: "SECOND" }],
  },
};

// @ts-expect-error an order has no such field
export const wrong = (answer: PlaceOrderMutation) => answer.placeOrder?.order?.price;

// @ts-expect-error a search needs a date
export const incomplete: SearchQueryVariables = { from: ["ZUE"], to: ["BRN"] };
