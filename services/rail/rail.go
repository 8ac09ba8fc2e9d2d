// Package rail holds the railway and its rules. Every other room speaks in these types:
//
//   - what is published: Station; Train with its Calls, its Formation of coaches and seats, and its Fares; Date, and
//     what clocks show on it; Run, and when it may be sold;
//   - what is sold: PlaceOrder, Order and Ticket, Money, and the ids and numbers of orders;
//   - what is left: Availability of a run, and what is asked and told of it (Ask, Left, Offer, Snapshot, Change);
//   - what a refusal says (Error, Errors), and what texts may hold;
//   - who asks (Viewer) and from where (Client).
//
// Each type validates itself, so that a rule is written once. The package imports the standard library and Unicode's
// normal forms only, does no I/O and reads no clock: callers pass the time in.
//
// Values are plain data. A *Train, a *Formation and a *Station are never changed after they were made, and may be
// shared by many goroutines. Everything else belongs to its maker.
package rail
