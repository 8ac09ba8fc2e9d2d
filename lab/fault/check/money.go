package check

import (
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// MoneyTime is within what all money must have come to where it belongs, after the healing and after all holds ended.
const MoneyTime = time.Minute

// Money is C12. The provider's charges, the payments and the ledger's orders tell the same of all money, to the minor
// unit: what was authorised was captured or released; what was captured is what was to be paid for an order that was
// PAID, or was refunded. An order that was PAID has exactly one payment of that; nothing was to be paid where all was
// carried over. Of this payment exactly that went back which the order's refunds say, and those of the order that its
// ticket was changed into: the fees stay. Nothing is open at the provider or on its way.
func Money(charges []pay.Charge, payments []*pay.Payment, snapshots []*ledger.AuditSnapshot) *Result {
	m := &money{
		Result: begin("C12"), byReference: map[string]*pay.Payment{}, charged: map[string]bool{},
		kept: map[string][]*pay.Payment{}, back: backOf(snapshots),
	}
	for _, p := range payments {
		m.payment(p)
	}
	held := int64(0)
	for i := range charges {
		m.charge(&charges[i])
		held += charges[i].Authorised
	}
	for _, p := range payments {
		if !m.charged[p.ID] && p.Authorised+p.Captured+p.Released+p.Refunded > 0 {
			m.wrong("payment %s has %d minor units authorised, and the provider knows of none", p.ID, p.Authorised)
		}
	}
	for _, s := range snapshots {
		for _, o := range s.Orders {
			m.order(o)
		}
	}
	for order := range m.kept {
		m.wrong("%d payments of order %s were captured and not refunded, and the ledger has no such order",
			len(m.kept[order]), order)
	}
	m.figure("payments", float64(len(payments)))
	m.figure("charges", float64(len(charges)))
	m.figure("authorised_minor", float64(held))
	return m.Result
}

// money is what was seen so far.
type money struct {
	*Result
	byReference map[string]*pay.Payment
	// charged are the payments that the provider has a charge of.
	charged map[string]bool
	// kept are the payments of each order whose money was captured and did not go back as a whole: what went back of it
	// by refunds counts as kept.
	kept map[string][]*pay.Payment
	// back is what is to go back of the payment of each order, in minor units.
	back map[string]int64
}

// backOf is what is to go back of the payment of each order: of its own refunds up to what was to be paid for it, and
// of those of the order that its ticket was changed into what is more than was to be paid for that.
func backOf(snapshots []*ledger.AuditSnapshot) map[string]int64 {
	back := map[string]int64{}
	for _, s := range snapshots {
		for _, o := range s.Orders {
			all := int64(0)
			for i := range o.Refunds {
				all += o.Refunds[i].Back().Minor
			}
			own := min(all, o.ToPay().Minor)
			back[o.ID] += own
			if o.Replaces != nil {
				back[o.Replaces.OrderID] += all - own
			}
		}
	}
	return back
}

// ends are the states in which nothing more becomes of a payment by itself.
var ends = map[pay.State]bool{pay.Failed: true, pay.Released: true, pay.Captured: true, pay.Refunded: true}

func (m *money) payment(p *pay.Payment) {
	m.Looked++
	if p.Reference != "" {
		m.byReference[p.Reference] = p
	}
	// What refunds have given back of it is held against them where the order is.
	taken := p.Captured - p.Refunded
	if p.State == pay.Captured {
		taken = p.Captured
	}
	switch {
	case !ends[p.State]:
		m.wrong("payment %s of order %s is %s", p.ID, p.OrderID, p.State)
	case p.Authorised != p.Captured+p.Released:
		m.wrong("payment %s: %d were authorised, %d captured and %d released", p.ID, p.Authorised, p.Captured,
			p.Released)
	case p.State == pay.Captured && taken != p.Amount.Minor, p.State != pay.Captured && taken != 0:
		m.wrong("payment %s of %s is %s: %d were captured and %d refunded", p.ID, p.Amount, p.State, p.Captured,
			p.Refunded)
	}
	if taken != 0 {
		m.kept[p.OrderID] = append(m.kept[p.OrderID], p)
	}
}

// figures are those that a charge and its payment have in common.
type figures struct{ authorised, captured, released, refunded int64 }

func (m *money) charge(c *pay.Charge) {
	m.Looked++
	has := figures{c.Authorised, c.Captured, c.Released, c.Refunded}
	switch {
	case c.Status == pay.ChargeOpen:
		m.wrong("the provider's charge %s of order %s can still be paid", c.Reference, c.OrderID)
	case has.authorised != has.captured+has.released || has.refunded > has.captured:
		m.wrong("the provider's charge %s: %d were authorised, %d captured, %d released and %d refunded", c.Reference,
			has.authorised, has.captured, has.released, has.refunded)
	}
	p := m.byReference[c.Reference]
	switch {
	case p == nil && has == figures{} && c.Status == pay.ChargeClosed:
		return // a page that was opened and closed, and that no buyer was sent to
	case p == nil:
		m.wrong("no payment knows the provider's charge %s of order %s", c.Reference, c.OrderID)
		return
	}
	m.charged[p.ID] = true
	if noted := (figures{p.Authorised, p.Captured, p.Released, p.Refunded}); noted != has {
		m.wrong("payment %s has authorised, captured, released and refunded %v, and the provider's charge %s has %v",
			p.ID, noted, c.Reference, has)
	}
	if has.authorised > 0 && (p.OrderID != c.OrderID || p.Amount.Currency != c.Currency) {
		m.wrong("payment %s is of order %s in %s, and the provider's charge %s of order %s in %s", p.ID, p.OrderID,
			p.Amount.Currency, c.Reference, c.OrderID, c.Currency)
	}
}

func (m *money) order(o *ledger.WrittenOrder) {
	m.Looked++
	kept := m.kept[o.ID]
	delete(m.kept, o.ID)
	settled := map[rail.OrderState]bool{
		rail.OnHold: true, rail.Paid: true, rail.Cancelled: true, rail.Expired: true, rail.Returned: true,
	}[o.State]
	payments := 0
	paid := o.State == rail.Paid || o.State == rail.Returned || !o.PaidAt.IsZero()
	if paid && o.ToPay().Minor > 0 {
		payments = 1
	}
	switch {
	case !settled:
		m.wrong("order %s is still %s", o.Number, o.State)
	case len(kept) != payments:
		m.wrong("order %s is %s, and %d payments of it were captured and not refunded", o.Number, o.State, len(kept))
	case payments == 0:
		if m.back[o.ID] != 0 {
			m.wrong("%d minor units are to go back for order %s, and nothing was paid for it", m.back[o.ID], o.Number)
		}
	case kept[0].Amount != o.ToPay():
		m.wrong("order %s, for which %s were to be paid, was PAID with %s", o.Number, o.ToPay(), kept[0].Amount)
	case kept[0].Refunded != m.back[o.ID]:
		m.wrong("order %s: %d minor units are to go back, and %d did", o.Number, m.back[o.ID], kept[0].Refunded)
	}
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.PaidBackAt.IsZero() {
			m.wrong("order %s: the ledger does not know that %s are back", o.Number, r.Back())
		}
	}
}
