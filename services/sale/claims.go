package sale

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"iter"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// claims are the orders of a run that may be live. A worker needs them so that no document travels twice on a leg, and
// no buyer exceeds the limit of holds. Every live order that was placed at a version up to at is in them. Others may
// be, too: a worker does not hear of payments, nor of orders that another server ends. So claims alone refuse nothing.
// They say which orders the ledger is asked about.
//
// The tables have no pointers in them. A run that sells would have half a million, and the garbage collector would
// follow all of them at each of its rounds.
type claims struct {
	run  rail.RunID
	seed maphash.Seed
	at   int64
	// loaded is how many orders there were when all were read.
	loaded int

	// orders has the slot of each order. documents has the first of each document's chain of tickets, holds the first
	// of each buyer's chain of holds. Place 0 ends every chain.
	orders    map[orderTail]int32
	documents map[uint64]int32
	holds     map[uint64]int32
	slots     []orderSlot
	tickets   []ticketSlot
	// freeOrder and freeTicket begin the chains of empty slots.
	freeOrder, freeTicket int32
}

// orderSlot is one order. Buyers and documents are hashes. Two buyers with one hash cost a question to the ledger; two
// documents with one hash, which happens once in 2⁶⁴ pairs, at worst cost a refusal.
type orderSlot struct {
	order orderTail
	buyer uint64
	// ticket is the first of the order's tickets, next the next hold of the buyer.
	ticket, next int32
	from, to     uint16
	held         bool
}

type ticketSlot struct {
	document uint64
	// of is the order, sibling the next ticket of the order, next the next ticket of the document.
	of, sibling, next int32
}

// orderTail is what the id of an order has behind its run, filled up with zeros.
type orderTail [rail.MaxOrderIDTail]byte

// claim is one order as it comes and goes.
type claim struct {
	order     orderTail
	buyer     uint64
	held      bool
	from, to  int
	documents []uint64
}

func newClaims(run rail.RunID, seed maphash.Seed) *claims {
	return &claims{
		run: run, seed: seed, orders: map[orderTail]int32{}, documents: map[uint64]int32{}, holds: map[uint64]int32{},
		slots: make([]orderSlot, 1), tickets: make([]ticketSlot, 1),
	}
}

// staleClaims bounds the orders that have ended without the worker's knowing. As many again as were live when all were
// read are allowed besides.
const staleClaims = 10_000

// upTo is the version up to which the claims are known. 0: all must be read.
func (c *claims) upTo() int64 {
	if c == nil || len(c.orders) > 2*c.loaded+staleClaims {
		return 0
	}
	return c.at
}

func (c *claims) len() int {
	if c == nil {
		return 0
	}
	return len(c.orders)
}

func (c *claims) hash(text string) uint64 { return maphash.String(c.seed, text) }

// tail is what an order of the run is known by.
func (c *claims) tail(order string) (t orderTail, err error) {
	rest := len(c.run) + 1
	if len(order) <= rest || len(order)-rest > len(t) || order[:rest-1] != string(c.run) || order[rest-1] != '/' {
		return t, fmt.Errorf("sale: %q is no order of %s", order, c.run)
	}
	copy(t[:], order[rest:])
	return t, nil
}

// id is the whole id of an order.
func (c *claims) id(t orderTail) string {
	return string(c.run) + "/" + string(bytes.TrimRight(t[:], "\x00"))
}

// learn adds claims that the ledger has read. Tickets of one order must be beside each other.
func (c *claims) learn(tickets []ledger.Claim) error {
	for len(tickets) > 0 {
		first := &tickets[0]
		n := 1
		for n < len(tickets) && tickets[n].OrderID == first.OrderID {
			n++
		}
		order, err := c.tail(first.OrderID)
		if err != nil {
			return err
		}
		one := claim{order: order, buyer: c.hash(first.Buyer), held: first.Held, from: first.From, to: first.To}
		for i := range tickets[:n] {
			one.documents = append(one.documents, c.hash(tickets[i].Document))
		}
		c.add(&one)
		tickets = tickets[n:]
	}
	return nil
}

func (c *claims) add(one *claim) {
	if c.orders[one.order] != 0 {
		return
	}
	at := c.freeOrder
	if at == 0 {
		at = int32(len(c.slots))
		c.slots = append(c.slots, orderSlot{})
	} else {
		c.freeOrder = c.slots[at].next
	}
	c.slots[at] = orderSlot{order: one.order, buyer: one.buyer, from: uint16(one.from), to: uint16(one.to)}
	c.orders[one.order] = at
	for _, document := range one.documents {
		c.addTicket(at, document)
	}
	if one.held {
		c.slots[at].held, c.slots[at].next = true, c.holds[one.buyer]
		c.holds[one.buyer] = at
	}
}

func (c *claims) addTicket(order int32, document uint64) {
	at := c.freeTicket
	if at == 0 {
		at = int32(len(c.tickets))
		c.tickets = append(c.tickets, ticketSlot{})
	} else {
		c.freeTicket = c.tickets[at].next
	}
	c.tickets[at] = ticketSlot{
		document: document, of: order, sibling: c.slots[order].ticket, next: c.documents[document],
	}
	c.slots[order].ticket, c.documents[document] = at, at
}

// remove forgets an order that has ended.
func (c *claims) remove(order orderTail) {
	at := c.orders[order]
	if at == 0 {
		return
	}
	c.paid(order)
	delete(c.orders, order)
	for ticket := c.slots[at].ticket; ticket != 0; {
		one := &c.tickets[ticket]
		unchain(c.documents, one.document, ticket, func(at int32) *int32 { return &c.tickets[at].next })
		sibling := one.sibling
		*one = ticketSlot{next: c.freeTicket}
		c.freeTicket, ticket = ticket, sibling
	}
	c.slots[at] = orderSlot{next: c.freeOrder}
	c.freeOrder = at
}

// removeTicket forgets one ticket of an order that goes on, by its document.
func (c *claims) removeTicket(order orderTail, document uint64) {
	at := c.orders[order]
	if at == 0 {
		return
	}
	for link := &c.slots[at].ticket; *link != 0; link = &c.tickets[*link].sibling {
		ticket := *link
		if c.tickets[ticket].document != document {
			continue
		}
		unchain(c.documents, document, ticket, func(at int32) *int32 { return &c.tickets[at].next })
		*link = c.tickets[ticket].sibling
		c.tickets[ticket] = ticketSlot{next: c.freeTicket}
		c.freeTicket = ticket
		return
	}
}

// paid forgets that an order is on hold.
func (c *claims) paid(order orderTail) {
	at := c.orders[order]
	if at == 0 || !c.slots[at].held {
		return
	}
	unchain(c.holds, c.slots[at].buyer, at, func(at int32) *int32 { return &c.slots[at].next })
	c.slots[at].held, c.slots[at].next = false, 0
}

// unchain takes one place out of the chain of a key.
func unchain(first map[uint64]int32, key uint64, one int32, next func(int32) *int32) {
	if first[key] == one {
		if first[key] = *next(one); first[key] == 0 {
			delete(first, key)
		}
		return
	}
	for at := first[key]; at != 0; at = *next(at) {
		if *next(at) == one {
			*next(at) = *next(one)
			return
		}
	}
}

// ofDocument are the orders with a ticket of a document.
func (c *claims) ofDocument(document uint64) iter.Seq[*orderSlot] {
	return func(yield func(*orderSlot) bool) {
		for at := c.documents[document]; at != 0; at = c.tickets[at].next {
			if !yield(&c.slots[c.tickets[at].of]) {
				return
			}
		}
	}
}

// heldBy are the orders that a buyer has on hold.
func (c *claims) heldBy(buyer uint64) iter.Seq[*orderSlot] {
	return func(yield func(*orderSlot) bool) {
		for at := c.holds[buyer]; at != 0; at = c.slots[at].next {
			if !yield(&c.slots[at]) {
				return
			}
		}
	}
}

// overlap tells whether two trips share a leg.
func (o *orderSlot) overlap(from, to int) bool { return int(o.from) < to && from < int(o.to) }
