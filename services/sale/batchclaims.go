package sale

import (
	"fmt"
	"maps"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// A hold costs nothing until it is paid. Without limits one buyer could keep a whole train empty. Holds on one run are
// counted here, exactly; limits that span runs are in buyerlimits.go.

// batchClaims is what a batch itself knows of the claims of its run.
type batchClaims struct {
	// known are the worker's claims, placed those of the batch's own orders.
	known, placed *claims
	// orders has the claims of the batch's own orders one by one.
	orders []claim
	// ended and paid are the known orders that the ledger says so of. One that is being paid is no hold any more,
	// either.
	ended, paid map[orderTail]bool
	// over are tickets that have ended by themselves, while their orders go on: given back, or changed.
	over map[orderDocument]bool
}

// orderDocument is a ticket, as claims know it: no two of an order have one document.
type orderDocument struct {
	order    orderTail
	document uint64
}

// newBatchClaims makes the claims of a batch. The worker's own may be out of date, so those that might refuse a request
// are looked up, all with one question.
func (w *worker) newBatchClaims(batch []*request, state *ledger.BatchState) (*batchClaims, error) {
	k := &batchClaims{
		known: w.claims, placed: newClaims(w.run, w.claims.seed),
		ended: map[orderTail]bool{}, paid: map[orderTail]bool{}, over: map[orderDocument]bool{},
	}
	for _, order := range state.Freed() {
		tail, err := k.known.tail(order.ID)
		if err != nil {
			return nil, err
		}
		k.ended[tail] = true
	}
	suspects := k.suspects(batch, w.service.settings.MaxRunHolds)
	maps.DeleteFunc(suspects, func(order orderTail, _ bool) bool { return k.ended[order] })
	if err := k.lookUp(suspects, state); err != nil {
		return nil, err
	}
	return k, nil
}

// suspects are the known orders that might refuse a request of the batch: orders with the same document, and the holds
// of buyers who would exceed the limit. A limit of 0 or less is none.
func (k *batchClaims) suspects(batch []*request, limit int) map[orderTail]bool {
	suspects := map[orderTail]bool{}
	asked := map[uint64]int{} // how many orders each buyer asks for
	for _, r := range batch {
		p := r.placing()
		if p == nil {
			continue
		}
		if p.change == nil {
			asked[k.known.hash(p.key.Buyer)]++
		}
		for _, document := range p.documents {
			for one := range k.known.ofDocument(k.known.hash(document)) {
				suspects[one.order] = true
			}
		}
	}
	if limit <= 0 {
		return suspects
	}
	for buyer, n := range asked {
		if held := k.heldBy(buyer); n+len(held) > limit {
			for _, order := range held {
				suspects[order] = true
			}
		}
	}
	return suspects
}

// heldBy are the known orders that a buyer has on hold.
func (k *batchClaims) heldBy(buyer uint64) (orders []orderTail) {
	for one := range k.known.heldBy(buyer) {
		orders = append(orders, one.order)
	}
	return orders
}

// lookUp asks the ledger which of some known orders have ended, are paid or are being paid.
func (k *batchClaims) lookUp(orders map[orderTail]bool, state *ledger.BatchState) error {
	if len(orders) == 0 {
		return nil
	}
	ids := make([]string, 0, len(orders))
	for order := range orders {
		ids = append(ids, k.known.id(order))
	}
	slices.Sort(ids)
	states, err := state.States(ids)
	if err != nil {
		return fmt.Errorf("the states of %d orders: %w", len(ids), err)
	}
	for order := range orders {
		life := states[k.known.id(order)]
		switch state := life.State; {
		case state == rail.Paid, state == rail.Paying:
			k.paid[order] = true
		case !state.Live():
			k.ended[order] = true
		}
		for _, document := range life.Ended {
			k.over[orderDocument{order, k.known.hash(document)}] = true
		}
	}
	return nil
}

// endTicket notes that the batch ends a ticket of an order.
func (k *batchClaims) endTicket(orderID, document string) error {
	tail, err := k.known.tail(orderID)
	if err == nil {
		k.over[orderDocument{tail, k.known.hash(document)}] = true
	}
	return err
}

// travelling is the place of the first document that has a live ticket on a leg of the trip, -1 where none has. The
// order but, "" for none, does not count: it is the one that the ticket is changed from.
func (k *batchClaims) travelling(documents []string, from, to int, but string) int {
	return slices.IndexFunc(documents, func(document string) bool {
		key := k.known.hash(document)
		for one := range k.known.ofDocument(key) {
			if one.overlap(from, to) && !k.ended[one.order] && !k.over[orderDocument{one.order, key}] &&
				(but == "" || k.known.id(one.order) != but) {
				return true
			}
		}
		for one := range k.placed.ofDocument(key) {
			if one.overlap(from, to) {
				return true
			}
		}
		return false
	})
}

// holds is how many unpaid orders a buyer has on the run.
func (k *batchClaims) holds(buyer string) (n int) {
	key := k.known.hash(buyer)
	for range k.placed.heldBy(key) {
		n++
	}
	for one := range k.known.heldBy(key) {
		if !k.ended[one.order] && !k.paid[one.order] {
			n++
		}
	}
	return n
}

// place adds an order of the batch.
func (k *batchClaims) place(order *rail.Order, documents []string) error {
	tail, err := k.known.tail(order.ID)
	if err != nil {
		return err
	}
	held := order.State == rail.OnHold
	one := claim{order: tail, buyer: k.known.hash(order.Buyer), held: held, from: order.From, to: order.To}
	for _, document := range documents {
		one.documents = append(one.documents, k.known.hash(document))
	}
	k.placed.add(&one)
	k.orders = append(k.orders, one)
	return nil
}

// committed brings the worker's claims up to the version that the batch made.
func (k *batchClaims) committed(version int64) {
	for one := range k.ended {
		k.known.remove(one)
	}
	for one := range k.paid {
		k.known.paid(one)
	}
	for ticket := range k.over {
		k.known.removeTicket(ticket.order, ticket.document)
	}
	for i := range k.orders {
		k.known.add(&k.orders[i])
	}
	k.known.at = version
}

func tooManyRunHolds(limit int) error {
	return rail.Refuse(rail.HoldLimit, "you have %d unpaid orders on this run: pay or cancel one first", limit).
		At("input", "runId")
}

func alreadyTravelling(passenger int) error {
	return rail.Refuse(rail.AlreadyTravelling, "this document number has a ticket on a part of this trip already").
		At("input", "passengers", rail.Index(passenger), "documentNumber")
}
