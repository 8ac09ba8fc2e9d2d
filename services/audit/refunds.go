package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// refundPart is what of one payment goes back by a refund of the ledger.
type refundPart struct {
	run    rail.RunID
	order  string
	amount rail.Money
	// payment is the payment's id, or "" where ofOrder is the order that it paid for: what was carried over goes back
	// to the payment of the ticket that was changed.
	payment, ofOrder string
	// back tells that the ledger was told that the money is back.
	back bool
}

// carriedID is the id by which the payments' service has the part of a refund that was carried over.
func carriedID(refund string) string {
	digest := sha256.Sum256([]byte("carried:" + refund))
	return hex.EncodeToString(digest[:])
}

// noteParts adds what goes back of a run's orders: of the order's own payment up to what was paid by it, and the rest
// of the payment of the ticket that it replaces. An order that was paid at once has no payment of its own in the
// service.
func (s *seen) noteParts(b *ledger.AuditSnapshot) {
	for _, o := range b.Orders {
		left := o.ToPay().Minor
		for i := range o.Refunds {
			r := &o.Refunds[i]
			own := max(min(r.Back().Minor, left), 0)
			left -= own
			part := refundPart{
				run: b.ID, order: o.ID, amount: rail.Money{Minor: own, Currency: o.Total.Currency},
				payment: o.PaymentID, back: !r.PaidBackAt.IsZero(),
			}
			if own > 0 && !o.PayingAt.IsZero() {
				s.parts[r.ID] = part
			}
			if rest := r.Back().Minor - own; rest > 0 && o.Replaces != nil {
				part.amount.Minor, part.payment, part.ofOrder = rest, "", o.Replaces.OrderID
				s.parts[carriedID(r.ID)] = part
			}
		}
	}
}

// ofService tells whether a part goes back by the payments' service, given how the tickets that were changed were paid.
func (m moves) ofService() map[string]bool {
	service := map[string]bool{}
	for _, c := range m.changes {
		service[c.old.OrderID] = service[c.old.OrderID] || c.service
	}
	return service
}

// goesBack is what goes back of one payment in parts, in minor units. ofOrder is the order that it has to be the
// payment of, "" where that is not known.
type goesBack struct {
	done, pending int64
	ofOrder       string
}

// verifyParts holds the refunds of a payment against those of the ledger, which were read before: the amount, the
// payment and the order are the same, and what the ledger was told is back is done. It returns what goes back of the
// payment. What has changed since the audit began may have a refund that was not read.
func (a *Auditor) verifyParts(p *pay.Payment, seen *seen, begun time.Time, report *Report) (back goesBack) {
	for _, r := range p.RefundsAsked() {
		part, known := seen.parts[r.ID]
		delete(seen.parts, r.ID)
		verifyPart(&r, &part, known || p.ChangedAt.After(begun.Add(-slack)), known, report)
		if r.State == pay.RefundDone {
			back.done += r.Amount.Minor
		} else {
			back.pending += r.Amount.Minor
		}
		if part.ofOrder != "" {
			back.ofOrder = part.ofOrder
		}
	}
	return back
}

// verifyMissingParts reports what of the ledger's refunds is back by the ledger, and in no payment.
func (a *Auditor) verifyMissingParts(seen *seen, report *Report) {
	service := seen.moves.ofService()
	for _, id := range slices.Sorted(maps.Keys(seen.parts)) {
		part := seen.parts[id]
		if part.back && (part.ofOrder == "" || service[part.ofOrder]) {
			report.add(Defect{
				Check: CheckPayment, Run: part.run, Order: part.order, Row: "refund " + id,
				Message: "its money is back by the ledger, and the payments have no such refund",
			})
		}
	}
}

// verifyPart holds one refund of a payment against itself, and against the ledger's where that is known. fits tells
// that it may be there.
func verifyPart(r *pay.Refund, part *refundPart, fits, known bool, report *Report) {
	wrong := func(format string, arguments ...any) {
		report.add(Defect{
			Check: CheckPayment, Run: part.run, Order: r.OrderID, Row: "refund " + r.ID,
			Message: fmt.Sprintf(format, arguments...),
		})
	}
	if !isDigest(r.ID) || r.Amount.Minor <= 0 {
		wrong("its id or its amount %d is none", r.Amount.Minor)
	}
	switch {
	case !fits:
		wrong("the ledger has decided no such refund")
	case !known:
	case r.OrderID != part.order || r.Amount != part.amount || part.payment != "" && r.PaymentID != part.payment:
		wrong("it is of %s of the payment %q, for the order %q; and by the ledger of %s of %q, for %q", r.Amount,
			r.PaymentID, r.OrderID, part.amount, part.payment, part.order)
	case part.back && r.State != pay.RefundDone:
		wrong("its money is back by the ledger, and it is %s", r.State)
	}
}

// verifyBack holds what went back of a payment in parts against what the payment says, which was read later: no more
// goes back than was captured, and nothing goes back that no refund is for.
func (v *paymentVerifier) verifyBack(back goesBack) {
	if back.ofOrder != "" && back.ofOrder != v.OrderID {
		v.wrong("what was carried over from the order %s goes back to it", back.ofOrder)
	}
	if sum := back.done + back.pending; sum > v.Captured {
		v.wrong("%d was captured, and the refunds are of %d", v.Captured, sum)
	}
	settled := v.now.Sub(v.ChangedAt) > slack
	switch {
	case v.Refunded < back.done:
		v.wrong("%d was refunded, and refunds of %d are done", v.Refunded, back.done)
	case v.State == pay.Captured && v.Refunded > back.done && settled:
		v.wrong("%d was refunded, and refunds of %d are done", v.Refunded, back.done)
	}
}
