// Package pay collects money: it opens a payment with a provider, learns that the money is authorised, and captures it
// or lets it go as the ledger decides. It never decides who gets a seat.
//
// A payment's state only moves forward. What a provider says is taken as a fact about its own side (Charge), in any
// order and any number of times: Advance turns it into the payment's next state. All changes of payments that wait
// share commits.
package pay
