package check_test

import (
	"slices"
	"testing"
	"time"

	"interlock/lab/fault/check"
	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// till is a history of money in which C12 holds: ann paid, bob's hold ended while he paid, cid was taken money that
// went back, dan never paid, and eve paid twice.
type till struct {
	charges  []pay.Charge
	payments []*pay.Payment
	snapshot *ledger.AuditSnapshot
}

func newTill() *till {
	s := &till{snapshot: &ledger.AuditSnapshot{Run: &rail.Run{ID: runID}}}
	order := func(number string, state rail.OrderState) {
		s.snapshot.Orders = append(s.snapshot.Orders, &ledger.WrittenOrder{Order: rail.Order{
			ID: number, Number: number, RunID: runID, State: state, Total: price,
		}})
	}
	paid := func(id, of string, state pay.State, captured, released, refunded int64) {
		p := &pay.Payment{
			ID: id, OrderID: of, RunID: runID, Amount: price, State: state, Reference: "cs-" + id,
			Authorised: captured + released, Captured: captured, Released: released, Refunded: refunded,
		}
		s.payments = append(s.payments, p)
		c := pay.Charge{
			PaymentID: id, OrderID: of, Reference: p.Reference, Status: pay.ChargeClosed, Currency: price.Currency,
			Authorised: p.Authorised, Captured: captured, Released: released, Refunded: refunded,
		}
		if captured > 0 {
			c.Status = pay.ChargeCaptured
		}
		s.charges = append(s.charges, c)
	}
	all := price.Minor
	order("A1", rail.Paid)
	paid("a", "A1", pay.Captured, all, 0, 0)
	order("B1", rail.Expired)
	paid("b", "B1", pay.Released, 0, all, 0)
	order("C1", rail.Cancelled)
	paid("c", "C1", pay.Refunded, all, 0, all)
	order("D1", rail.Expired)
	paid("d", "D1", pay.Failed, 0, 0, 0)
	order("E1", rail.Paid)
	paid("e", "E1", pay.Captured, all, 0, 0)
	paid("f", "E1", pay.Released, 0, all, 0)
	order("F1", rail.OnHold)
	s.giveBack(order, paid)
	return s
}

// giveBack has G1 be given back for a fee of 300. H1's ticket is changed into I1 and J1's into K1: I1 costs 700 less,
// of which 100 are kept, and K1 300 more; K1 is given back for 400.
func (s *till) giveBack(
	order func(string, rail.OrderState), paid func(id, of string, state pay.State, captured, released, refunded int64),
) {
	all, minor := price.Minor, func(n int64) rail.Money { return rail.Money{Minor: n, Currency: price.Currency} }
	for _, number := range []string{"G1", "H1", "J1", "K1"} {
		order(number, rail.Returned)
	}
	order("I1", rail.Paid)
	at, is := time.UnixMilli(1_000), map[string]*ledger.WrittenOrder{}
	for _, o := range s.snapshot.Orders {
		is[o.Number] = o
	}
	refund := func(number string, gross, fee int64) {
		is[number].Refunds = append(is[number].Refunds, rail.Refund{
			Gross: minor(gross), Fee: minor(fee), At: at, PaidBackAt: at.Add(time.Second),
		})
	}
	replaces := func(number, old string, total, carried int64) {
		o := is[number]
		o.Replaces, o.Total, o.Carried = &rail.TicketRef{OrderID: old}, minor(total), minor(carried)
	}
	refund("G1", all, 300)
	paid("g", "G1", pay.Captured, all, 0, all-300)
	replaces("I1", "H1", all-700, all-700)
	refund("H1", 700, 100)
	paid("h", "H1", pay.Captured, all, 0, 600)
	replaces("K1", "J1", all+300, all)
	refund("K1", all+300, 400)
	paid("j", "J1", pay.Captured, all, 0, all-400)
	paid("k", "K1", pay.Captured, 300, 0, 300)
	for _, p := range s.payments {
		if p.ID == "k" {
			p.Amount = minor(300)
		}
	}
}

// payment is a payment by its id, with its charge.
func (s *till) payment(id string) (*pay.Payment, *pay.Charge) {
	at := slices.IndexFunc(s.payments, func(p *pay.Payment) bool { return p.ID == id })
	return s.payments[at], &s.charges[at]
}

func (s *till) check() *check.Result {
	return check.Money(s.charges, s.payments, []*ledger.AuditSnapshot{s.snapshot})
}

func TestMoney_GoodHistory(t *testing.T) { holds(t, newTill().check()) }

// TestMoney_Planted plants one thing after the other that must not be.
func TestMoney_Planted(t *testing.T) {
	for name, one := range map[string]struct {
		plant func(*till)
		says  string
	}{
		"PaidForNothing": {
			func(s *till) { s.charges, s.payments = s.charges[1:], s.payments[1:] },
			"order A1 is PAID, and 0 payments of it were captured and not refunded",
		},
		"PaidAndNoTicket": {
			func(s *till) { s.snapshot.Orders[0].State = rail.Expired },
			"order A1 is EXPIRED, and 1 payments of it were captured and not refunded",
		},
		"PaidTwice": {func(s *till) {
			p, c := s.payments[5], &s.charges[5]
			p.State, p.Captured, p.Released, c.Captured, c.Released = pay.Captured, price.Minor, 0, price.Minor, 0
		}, "order E1 is PAID, and 2 payments of it were captured and not refunded"},
		"AnotherPrice": {func(s *till) { s.snapshot.Orders[0].Total.Minor++ }, "order A1, for which 553.01 CNY were to be paid, was PAID with"},
		"NoOrder": {
			func(s *till) { s.snapshot.Orders = s.snapshot.Orders[1:] },
			"1 payments of order A1 were captured and not refunded, and the ledger has no such order",
		},
		"StillPaying": {func(s *till) { s.snapshot.Orders[0].State = "PAYING" }, "order A1 is still PAYING"},
		"StillCapturing": {
			func(s *till) { s.payments[0].State = pay.Capturing },
			"payment a of order A1 is CAPTURING",
		},
		"PageStillOpen": {
			func(s *till) { s.charges[3].Status = pay.ChargeOpen },
			"the provider's charge cs-d of order D1 can still be paid",
		},
		"StillHeld": {
			func(s *till) { s.charges[1].Released = 0 },
			"the provider's charge cs-b: 55300 were authorised, 0 captured, 0 released and 0 refunded",
		},
		"AMinorUnitMissing": {
			func(s *till) { s.payments[1].Released-- },
			"payment b: 55300 were authorised, 0 captured and 55299 released",
		},
		"PartOfAPrice": {
			func(s *till) { s.payments[0].Refunded, s.charges[0].Refunded = 1, 1 },
			"order A1: 0 minor units are to go back, and 1 did",
		},
		"FeePaidBack": {
			func(s *till) { p, c := s.payment("g"); p.Refunded, c.Refunded = price.Minor, price.Minor },
			"order G1: 55000 minor units are to go back, and 55300 did",
		},
		"RefundMissing": {
			func(s *till) { p, c := s.payment("h"); p.Refunded, c.Refunded = 0, 0 },
			"order H1: 600 minor units are to go back, and 0 did",
		},
		"CarriedAndNotPaidBack": {
			func(s *till) { p, c := s.payment("j"); p.Refunded, c.Refunded = 0, 0 },
			"order J1: 54900 minor units are to go back, and 0 did",
		},
		"PaidForWhatWasCarried": {
			func(s *till) {
				p, c := s.payment("f")
				p.OrderID, p.State, p.Captured, p.Released = "I1", pay.Captured, price.Minor, 0
				c.OrderID, c.Captured, c.Released = "I1", price.Minor, 0
			},
			"order I1 is PAID, and 1 payments of it were captured and not refunded",
		},
		"BackAndNotKnown": {
			func(s *till) { s.snapshot.Orders[6].Refunds[0].PaidBackAt = time.Time{} },
			"order G1: the ledger does not know that 550.00 CNY are back",
		},
		"RefundNotMade": {
			func(s *till) { s.charges[2].Refunded = 0 },
			"payment c has authorised, captured, released and refunded {55300 55300 0 55300}",
		},
		"ChargeThatNoPaymentKnows": {
			func(s *till) { s.payments = slices.Delete(s.payments, 5, 6) },
			"no payment knows the provider's charge cs-f of order E1",
		},
		"MoneyThatTheProviderHasNot": {
			func(s *till) { s.charges = slices.Delete(s.charges, 5, 6) },
			"payment f has 55300 minor units authorised, and the provider knows of none",
		},
		"OfAnotherOrder": {
			func(s *till) { s.charges[1].OrderID = "C1" },
			"payment b is of order B1 in CNY, and the provider's charge cs-b of order C1 in CNY",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTill()
			one.plant(s)
			fails(t, s.check(), one.says)
		})
	}
}
