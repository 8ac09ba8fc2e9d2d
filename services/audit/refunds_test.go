package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// goneBack is a payment of which 3,000 went back for its order, and the order of the ledger that says so.
type goneBack struct {
	payment *pay.Payment
	order   *ledger.WrittenOrder
	begun   time.Time
}

// refundID is that of the refund of goneBack.
var refundID = fmt.Sprintf("%064x", 7)

func soundRefund() *goneBack {
	p := soundPayment(pay.Captured)
	p.ChangedAt, p.CreatedAt = payNow.Add(-time.Hour), payNow.Add(-2*time.Hour)
	g := &goneBack{payment: p, begun: payNow, order: &ledger.WrittenOrder{}}
	g.goes(refundID, 3_000, pay.RefundDone)
	p.Refunded = 3_000
	o := g.order
	o.ID, o.RunID, o.Total, o.PaymentID, o.PayingAt = p.OrderID, p.RunID, p.Amount, p.ID, p.CreatedAt
	o.Refunds = []rail.Refund{{
		ID: refundID, Kind: rail.RefundAsked, Gross: rail.Money{Minor: 3_100, Currency: "CNY"},
		Fee: rail.Money{Minor: 100, Currency: "CNY"}, At: p.ChangedAt, PaidBackAt: p.ChangedAt,
	}}
	return g
}

// goes has the payment give an amount back for its order.
func (g *goneBack) goes(id string, minor int64, state pay.RefundState) {
	g.payment.Refunds = pay.NewRefundList([]pay.Refund{{
		RefundOrder: pay.RefundOrder{ID: id, OrderID: g.payment.OrderID, Amount: rail.Money{Minor: minor}}, State: state,
	}})
}

// carried makes the order one that replaces a ticket of the payment's order, and was paid for by what was carried over.
func (g *goneBack) carried() {
	o := g.order
	o.ID, o.PaymentID, o.PayingAt = rail.NewOrderID(o.RunID, 107, "q"), "", time.Time{}
	o.Carried, o.Replaces = o.Total, &rail.TicketRef{OrderID: g.payment.OrderID}
	g.payment.Refunds = pay.NewRefundList([]pay.Refund{{
		RefundOrder: pay.RefundOrder{ID: carriedID(refundID), OrderID: o.ID, Amount: rail.Money{Minor: 3_000}},
		State:       pay.RefundDone,
	}})
}

// old is the order of the ticket that carried is about: it was paid by the service, and its ticket was changed.
func (g *goneBack) old() *ledger.WrittenOrder {
	o := &ledger.WrittenOrder{}
	o.ID, o.RunID, o.PayingAt = g.payment.OrderID, g.payment.RunID, payNow
	o.Changes = []rail.TicketChange{{ID: "c"}}
	return o
}

func (g *goneBack) found(t *testing.T) string {
	t.Helper()
	seen, report := newSeen(), &Report{OK: true}
	b := &ledger.AuditSnapshot{ID: g.payment.RunID, Orders: []*ledger.WrittenOrder{g.order, g.old()}}
	seen.noteParts(b)
	seen.moves.note(b)
	a := &Auditor{Payments: &payments{all: []*pay.Payment{g.payment}, now: payNow}, Idle: true}
	require.NoError(t, a.verifyPayments(t.Context(), seen, g.begun, report))
	var messages []string
	for _, d := range report.Defects {
		require.Equal(t, CheckPayment, d.Check)
		messages = append(messages, d.Row+": "+d.Message)
	}
	return strings.Join(messages, "\n")
}

// TestVerifyRefunds_Planted holds what goes back by the ledger against what went back by the payments, and plants what
// each rule about that is to find.
func TestVerifyRefunds_Planted(t *testing.T) {
	require.Empty(t, soundRefund().found(t))
	carried := soundRefund()
	carried.carried()
	require.Empty(t, carried.found(t))

	for want, plant := range map[string]func(*goneBack){
		"refund x: its id or its amount 3000 is none": func(g *goneBack) { g.goes("x", 3_000, pay.RefundDone) },
		"its id or its amount 0 is none":              func(g *goneBack) { g.goes(refundID, 0, pay.RefundDone) },
		"the ledger has decided no such refund":       func(g *goneBack) { g.order.Refunds = nil },
		"it is of 30.00 CNY of the payment \"p1\"":    func(g *goneBack) { g.order.Refunds[0].Gross.Minor++ },
		"by the ledger of 30.00 CNY of \"p2\"":        func(g *goneBack) { g.order.PaymentID = "p2" },
		"and by the ledger of 29.99 CNY of \"\"": func(g *goneBack) {
			g.carried()
			g.order.Refunds[0].Gross.Minor--
		},
		"its money is back by the ledger, and it is PENDING": func(g *goneBack) {
			g.goes(refundID, 3_000, pay.RefundPending)
			g.payment.Refunded = 0
		},
		"its money is back by the ledger, and the payments have no such refund": func(g *goneBack) {
			g.payment.Refunds, g.payment.Refunded = "", 0
		},
		"refund " + carriedID(refundID) + ": its money is back by the ledger, and the payments have": func(g *goneBack) {
			g.carried()
			g.payment.Refunds, g.payment.Refunded = "", 0
		},
		"what was carried over from the order other goes back to it": func(g *goneBack) {
			g.carried()
			g.order.Replaces.OrderID = "other"
		},
		"8400 was captured, and the refunds are of 8401":  func(g *goneBack) { g.goes(refundID, 8_401, pay.RefundPending) },
		"2999 was refunded, and refunds of 3000 are done": func(g *goneBack) { g.payment.Refunded-- },
		"3001 was refunded, and refunds of 3000 are done": func(g *goneBack) { g.payment.Refunded++ },
	} {
		g := soundRefund()
		plant(g)
		require.Contains(t, g.found(t), want)
	}

	for name, may := range map[string]func(*goneBack){
		"a refund that came after the audit began": func(g *goneBack) {
			g.order.Refunds, g.begun = nil, g.payment.ChangedAt
		},
		"a refund that is under way": func(g *goneBack) {
			g.goes(refundID, 3_000, pay.RefundPending)
			g.payment.Refunded, g.order.Refunds[0].PaidBackAt = 0, time.Time{}
		},
		"a refund that is yet to be asked for": func(g *goneBack) {
			g.payment.Refunds, g.payment.Refunded, g.order.Refunds[0].PaidBackAt = "", 0, time.Time{}
		},
		"an order that was paid at once": func(g *goneBack) {
			g.order.PayingAt, g.payment.Refunds, g.payment.Refunded = time.Time{}, "", 0
		},
	} {
		g := soundRefund()
		may(g)
		require.Empty(t, g.found(t), name)
	}
}
