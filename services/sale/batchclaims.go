package sale

import (
	"fmt"
	"maps"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// What one buyer may hold. A hold costs nothing until it is paid, so that without limits one buyer could keep a whole
// train empty. The holds on one run are counted in the batch, exactly. What spans runs is in the buyer's record, see
// buyers.go.

// batchClaims is what a batch itself knows of the claims of its run.
type batchClaims struct {
	// known are the worker's; placed are the batch's own, which orders has one by one.
	known, placed *claims
	orders        []claim
	// ended and paid are those of known that the ledger says so of.
	ended, paid map[orderTail]bool
}

// newBatchClaims looks up, in one question for the whole batch, whatever the worker's claims might refuse a request for.
func (w *worker) newBatchClaims(batch []*request, state *ledger.BatchState) (*batchClaims, error) {
	k := &batchClaims{known: w.claims, placed: newClaims(w.run, w.claims.seed), ended: map[orderTail]bool{}, paid: map[orderTail]bool{}}
	for _, order := range state.Freed() {
		one, err := k.known.tail(order.ID)
		if err != nil {
			return nil, err
		}
		k.ended[one] = true
	}
	asks := map[uint64]int{} // by buyer
	doubts := map[orderTail]bool{}
	for _, r := range batch {
		if r.place == nil {
			continue
		}
		for _, document := range r.place.documents {
			for one := range w.claims.ofDocument(w.claims.hash(document)) {
				doubts[one.order] = true
			}
		}
		asks[w.claims.hash(r.place.key.Buyer)]++
	}
	if limit := w.service.settings.MaxRunHolds; limit > 0 {
		for buyer, n := range asks {
			for range w.claims.heldBy(buyer) {
				n++
			}
			if n <= limit {
				continue
			}
			for one := range w.claims.heldBy(buyer) {
				doubts[one.order] = true
			}
		}
	}
	maps.DeleteFunc(doubts, func(one orderTail, _ bool) bool { return k.ended[one] })
	if len(doubts) == 0 {
		return k, nil
	}
	doubtful := make([]string, 0, len(doubts))
	for one := range doubts {
		doubtful = append(doubtful, k.known.id(one))
	}
	slices.Sort(doubtful)
	states, err := state.States(doubtful)
	if err != nil {
		return nil, fmt.Errorf("the states of %d orders: %w", len(doubtful), err)
	}
	for one := range doubts {
		switch state := states[k.known.id(one)]; {
		case state == rail.Paid:
			k.paid[one] = true
		case !state.Live():
			k.ended[one] = true
		}
	}
	return k, nil
}

// travelling is the first of the documents that has a live ticket on a leg of the trip; -1 where none has.
func (k *batchClaims) travelling(documents []string, from, to int) int {
	return slices.IndexFunc(documents, func(document string) bool {
		key := k.known.hash(document)
		for one := range k.known.ofDocument(key) {
			if one.overlap(from, to) && !k.ended[one.order] {
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

// holds is how many orders of the run a buyer has not paid yet.
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

// place notes an order of the batch.
func (k *batchClaims) place(order *rail.Order, documents []string) error {
	tail, err := k.known.tail(order.ID)
	if err != nil {
		return err
	}
	one := claim{order: tail, buyer: k.known.hash(order.Buyer), held: true, from: order.From, to: order.To}
	for _, document := range documents {
		one.documents = append(one.documents, k.known.hash(document))
	}
	k.placed.add(&one)
	k.orders = append(k.orders, one)
	return nil
}

// committed makes the worker's claims those of the version that the batch made.
func (k *batchClaims) committed(version int64) {
	for one := range k.ended {
		k.known.remove(one)
	}
	for one := range k.paid {
		k.known.paid(one)
	}
	for i := range k.orders {
		k.known.add(&k.orders[i])
	}
	k.known.at = version
}

func tooManyRunHolds(limit int) error {
	return rail.Refuse(rail.HoldLimit, "you have %d unpaid orders on this run: pay or cancel one first", limit).At("input", "runId")
}

func alreadyTravelling(passenger int) error {
	return rail.Refuse(rail.AlreadyTravelling, "this document number has a ticket on a part of this trip already").
		At("input", "passengers", rail.Index(passenger), "documentNumber")
}
