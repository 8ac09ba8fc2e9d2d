// Package notify tells people and partners what became of orders: buyers by e-mail, partners by webhooks.
//
// A Service is told the events of orders and runs, and notes for each what is to be delivered, in a database of its
// own. It acknowledges an event once that is durable. A worker reads each order anew when it writes to its buyer, so
// that no address and no name is kept here. A delivery is tried until it is done, is refused for good, or is given up.
// A process that dies in between does it again, with the same Message-ID or the same webhook-id: the receiver may get
// it twice, and never not at all.
package notify
