package sqlledger

import (
	"fmt"
	"strings"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// noted are the events of a transaction that have yet to be written: by the text that commits them.
type noted struct {
	ids    []string
	events map[string][]byte
}

// note puts an event into the row of the outbox with an id. Until the commit nothing is written.
func (n *noted) note(id string, e *ledger.Event) {
	if n.events == nil {
		n.events = map[string][]byte{}
	}
	before, there := n.events[id]
	if !there {
		n.ids = append(n.ids, id)
	}
	n.events[id] = packEvent(before, e)
}

// noteOrders notes what became of orders at a moment of their run.
func (n *noted) noteOrders(kind ledger.EventType, at moment, orders ...*rail.Order) {
	id := rail.OrderIDsFrom(at.run, at.version)
	for _, o := range orders {
		n.note(id, &ledger.Event{
			Type: kind, OrderID: o.ID, OrderVersion: o.Version, RunID: at.run, RunVersion: at.version,
		})
	}
}

// notePaid notes that an order was paid, which moves no run on. The row is the order's own. By its id it comes after
// the row of the version that the order was placed at, and before the row of a later one that may end it.
func (n *noted) notePaid(o *rail.Order) {
	run, version, ok := rail.VersionInOrderID(o.ID)
	if !ok {
		run = o.RunID // Only a hand can write such an id, and its event is as good as its id.
	}
	n.note(paidRow(o), &ledger.Event{
		Type: ledger.EventOrderPaid, OrderID: o.ID, OrderVersion: o.Version, RunID: run, RunVersion: version,
	})
}

// paidRow is the id of the row of an order's own version.
func paidRow(o *rail.Order) string { return o.ID + "." + versionDigits(o.Version) }

// versionDigits is a version in digits that sort as their values do.
func versionDigits(version int64) string {
	return strings.TrimPrefix(rail.OrderIDsFrom("", version), "/")
}

// notePayment notes what became of a payment: an event of PaymentEventTypes with its order, its payment and that one's
// version. The rest of it follows. The row is the payment's own. By its id it comes after those of its lower versions.
func (n *noted) notePayment(e ledger.Event) error {
	run, version, ok := rail.VersionInOrderID(e.OrderID)
	if !ok || e.PaymentID == "" {
		// Such a row would be one that cannot be published.
		return fmt.Errorf("ledger: an event of the payment %q is of no order: %q", e.PaymentID, e.OrderID)
	}
	e.RunID, e.RunVersion = run, version
	n.note(e.OrderID+"."+e.PaymentID+"."+versionDigits(e.PaymentVersion), &e)
	return nil
}

// noteRun notes what became of a run at a version. A status that stays is no event.
func (n *noted) noteRun(id rail.RunID, version int64, was, is rail.RunStatus) {
	kinds := map[rail.RunStatus]ledger.EventType{
		rail.Suspended: ledger.EventRunSuspended,
		rail.Withdrawn: ledger.EventRunWithdrawn,
		rail.Published: ledger.EventRunResumed,
	}
	if was != is {
		n.note(rail.OrderIDsFrom(id, version), &ledger.Event{Type: kinds[is], RunID: id, RunVersion: version})
	}
}

// outboxRows is how many rows of the outbox one statement writes.
const outboxRows = 500

// statements write what was noted: a row for each run, and for each order that was paid, at most a commit's time old.
func (n *noted) statements(d dialect) []statement {
	var all []statement
	one := "(?," + d.now() + ",?)"
	for i := 0; i < len(n.ids); {
		s := statement{}
		rows := 0
		for ; i < len(n.ids) && rows < outboxRows && s.bytes < maxStatementBytes; i++ {
			packed := n.events[n.ids[i]]
			s.args = append(s.args, n.ids[i], packed)
			s.bytes += len(n.ids[i]) + len(packed)
			rows++
		}
		s.text = "INSERT INTO outbox (id, at, events) VALUES " + one + strings.Repeat(","+one, rows-1)
		all = append(all, s)
	}
	return all
}
