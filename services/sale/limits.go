package sale

import (
	"fmt"
	"slices"

	"interlock/services/rail"
)

// What one buyer may hold. A hold costs nothing until it is paid, so that without limits one buyer could keep a whole train empty.
// The holds on one run are counted in the batch, exactly. What spans runs is in the buyer's record, see buyers.go.

// claimed is what a batch itself knows of the claims of its run.
type claimed struct {
	// known are the clerk's; placed are the batch's own.
	known, placed *claims
	// ended and paid are those of known that the ledger says so of.
	ended, paid map[string]bool
}

// newClaimed looks up, in one question for the whole batch, whatever the clerk's claims might refuse a request for.
func (c *clerk) newClaimed(batch []*request, state *rail.BatchState) (*claimed, error) {
	k := &claimed{known: c.claims, placed: newClaims(c.claims.seed), ended: map[string]bool{}, paid: map[string]bool{}}
	for _, order := range state.Freed() {
		k.ended[order.ID] = true
	}
	asks := map[uint64]int{} // by buyer
	var doubtful []string
	for _, r := range batch {
		if r.place == nil {
			continue
		}
		for _, document := range r.place.documents {
			for _, one := range c.claims.documents[c.claims.hash(document)] {
				doubtful = append(doubtful, one.order)
			}
		}
		asks[c.claims.hash(r.place.key.Buyer)]++
	}
	if limit := c.office.settings.MaxRunHolds; limit > 0 {
		for buyer, n := range asks {
			if holds := c.claims.holds[buyer]; len(holds)+n > limit {
				for _, one := range holds {
					doubtful = append(doubtful, one.order)
				}
			}
		}
	}
	doubtful = slices.DeleteFunc(doubtful, func(id string) bool { return k.ended[id] })
	if len(doubtful) == 0 {
		return k, nil
	}
	slices.Sort(doubtful)
	doubtful = slices.Compact(doubtful)
	states, err := state.States(doubtful)
	if err != nil {
		return nil, fmt.Errorf("the states of %d orders: %w", len(doubtful), err)
	}
	for _, id := range doubtful {
		switch state := states[id]; {
		case state == rail.Paid:
			k.paid[id] = true
		case !state.Live():
			k.ended[id] = true
		}
	}
	return k, nil
}

// travelling is the first of the documents that has a live ticket on a leg of the trip; -1 where none has.
func (k *claimed) travelling(documents []string, from, to int) int {
	return slices.IndexFunc(documents, func(document string) bool {
		key := k.known.hash(document)
		return slices.ContainsFunc(k.known.documents[key], func(c *claim) bool { return c.overlap(from, to) && !k.ended[c.order] }) ||
			slices.ContainsFunc(k.placed.documents[key], func(c *claim) bool { return c.overlap(from, to) })
	})
}

// holds is how many orders of the run a buyer has not paid yet.
func (k *claimed) holds(buyer string) int {
	key := k.known.hash(buyer)
	n := len(k.placed.holds[key])
	for _, c := range k.known.holds[key] {
		if !k.ended[c.order] && !k.paid[c.order] {
			n++
		}
	}
	return n
}

// place notes an order of the batch.
func (k *claimed) place(order *rail.Order, documents []string) {
	one := &claim{order: order.ID, buyer: k.known.hash(order.Buyer), held: true, from: order.From, to: order.To}
	for _, document := range documents {
		one.documents = append(one.documents, k.known.hash(document))
	}
	k.placed.add(one)
}

// committed makes the clerk's claims those of the version that the batch made.
func (k *claimed) committed(version int64) {
	for id := range k.ended {
		k.known.remove(id)
	}
	for id := range k.paid {
		k.known.paid(k.known.orders[id])
	}
	for _, one := range k.placed.orders {
		k.known.add(one)
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
