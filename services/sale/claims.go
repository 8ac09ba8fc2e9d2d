package sale

import (
	"hash/maphash"

	"interlock/services/rail"
)

// claims are the orders of a run that may be live: what a clerk must know so that no document travels twice on a leg, and no buyer
// has more holds than he may. Every order that was placed at a version up to at, and is live, is in them. Others may be: nobody
// tells a clerk of what is paid, or ended by another server. So claims never refuse anybody by themselves; they say which
// orders the ledger is to be asked about first.
type claims struct {
	seed maphash.Seed
	at   int64
	// loaded is how many there were when all were read.
	loaded    int
	orders    map[string]*claim
	documents map[uint64][]*claim
	holds     map[uint64][]*claim
}

// claim is one order. Buyers and documents are hashes: two that are equal by chance cost a question, or at worst, for documents and
// once in 2⁶⁴ pairs, a refusal.
type claim struct {
	order     string
	buyer     uint64
	held      bool
	from, to  int
	documents []uint64
}

func newClaims(seed maphash.Seed) *claims {
	return &claims{seed: seed, orders: map[string]*claim{}, documents: map[uint64][]*claim{}, holds: map[uint64][]*claim{}}
}

// staleClaims bounds the orders that ended without a clerk's hearing of it, beside as many as were live when all were read.
const staleClaims = 10_000

// upTo is the version up to which nothing has to be read; 0 where all has to be.
func (s *claims) upTo() int64 {
	if s == nil || len(s.orders) > 2*s.loaded+staleClaims {
		return 0
	}
	return s.at
}

func (s *claims) len() int {
	if s == nil {
		return 0
	}
	return len(s.orders)
}

func (s *claims) hash(text string) uint64 { return maphash.String(s.seed, text) }

// learn adds what the ledger has read, tickets of one order beside each other.
func (s *claims) learn(tickets []rail.Claim) {
	for len(tickets) > 0 {
		first := &tickets[0]
		n := 1
		for n < len(tickets) && tickets[n].OrderID == first.OrderID {
			n++
		}
		one := &claim{order: first.OrderID, buyer: s.hash(first.Buyer), held: first.Held, from: first.From, to: first.To}
		for i := range tickets[:n] {
			one.documents = append(one.documents, s.hash(tickets[i].Document))
		}
		s.add(one)
		tickets = tickets[n:]
	}
}

func (s *claims) add(one *claim) {
	if s.orders[one.order] != nil {
		return
	}
	s.orders[one.order] = one
	for _, document := range one.documents {
		s.documents[document] = append(s.documents[document], one)
	}
	if one.held {
		s.holds[one.buyer] = append(s.holds[one.buyer], one)
	}
}

// remove forgets an order that has ended.
func (s *claims) remove(order string) {
	one := s.orders[order]
	if one == nil {
		return
	}
	delete(s.orders, order)
	for _, document := range one.documents {
		drop(s.documents, document, one)
	}
	s.paid(one)
}

// paid forgets that an order is on hold.
func (s *claims) paid(one *claim) {
	if one != nil && one.held {
		one.held = false
		drop(s.holds, one.buyer, one)
	}
}

func drop(from map[uint64][]*claim, key uint64, one *claim) {
	list := from[key]
	for i := range list {
		if list[i] == one {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(from, key)
		return
	}
	from[key] = list
}

// overlap tells whether two trips share a leg.
func (c *claim) overlap(from, to int) bool { return c.from < to && from < c.to }
