package check

import (
	"time"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/services/ledger"
	"interlock/services/rail"
)

// ArriveTime is within what every event must have taken effect after all clients came to rest. It lets a consumer take
// over what a dead one has left.
const ArriveTime = 15 * time.Second

// EventGroups are who was told of events. InOrder is one of them, in which the effects on a subject have to take place
// in the order of its versions.
type EventGroups struct {
	All     []string
	InOrder string
}

// Events is C13. In each group, everything that became true by the ledger's primary has taken effect exactly once, and
// nothing else. took are the effects in the order in which they took place. The snapshots are later than these, and
// have every order of the runs that the effects are about.
func Events(took []effects.Effect, snapshots []*ledger.AuditSnapshot, groups EventGroups) *Result {
	r := begin("C13")
	truth := &events{Result: r, orders: map[string]*ledger.WrittenOrder{}, runs: map[rail.RunID]*ledger.AuditSnapshot{}}
	for _, s := range snapshots {
		truth.runs[s.Run.ID] = s
		for _, o := range s.Orders {
			truth.orders[o.ID] = o
		}
	}
	doubles := 0
	for _, group := range groups.All {
		truth.begin(group, group == groups.InOrder)
		for i := range took {
			if took[i].Group == group {
				r.Looked++
				doubles += took[i].Doubles
				truth.add(&took[i])
			}
		}
		for _, s := range snapshots {
			truth.runIsTold(s)
			for _, o := range s.Orders {
				truth.orderIsTold(o)
			}
		}
	}
	r.figure("events", float64(r.Looked))
	r.figure("doubles", float64(doubles))
	return r
}

// events are what the primary has, and what one group was told.
type events struct {
	*Result
	orders map[string]*ledger.WrittenOrder
	runs   map[rail.RunID]*ledger.AuditSnapshot

	group   string
	inOrder bool
	// told are the effects on each subject, in the order in which they took place.
	told map[string][]*ledger.Event
}

func (t *events) begin(group string, inOrder bool) {
	t.group, t.inOrder, t.told = group, inOrder, map[string][]*ledger.Event{}
}

// add notes an effect, and compares it with those before.
func (t *events) add(e *effects.Effect) {
	event := &e.Event
	if e.Others > 0 {
		t.wrong("%s: %d times version %d of %s was told as something else than %s", t.group, e.Others, event.Version(),
			event.Subject(), event.Type)
	}
	before := t.told[event.Subject()]
	t.told[event.Subject()] = append(before, event)
	for _, other := range before {
		if other.Version() == event.Version() {
			t.wrong("%s: %s %d of %s took effect twice", t.group, event.Type, event.Version(), event.Subject())
			return
		}
	}
	if len(before) > 0 && t.inOrder && before[len(before)-1].Version() > event.Version() {
		t.wrong("%s: version %d of %s took effect after version %d", t.group, event.Version(), event.Subject(),
			before[len(before)-1].Version())
	}
	if event.OrderID != "" && t.orders[event.OrderID] == nil {
		t.wrong("%s: %s of order %s took effect, and the primary has no such order", t.group, event.Type, event.OrderID)
	}
}

// orderIsTold compares what became of an order with what was told of it.
func (t *events) orderIsTold(o *ledger.WrittenOrder) {
	if o.Replaces != nil && len(o.Tickets) == 0 {
		// It only keeps the key of a change from ever being placed: there is nothing to tell.
		for _, event := range t.told[o.ID] {
			t.wrong("%s: %s took effect, and order %s never had a ticket", t.group, event.ID(), o.Number)
		}
		return
	}
	told, tickets := map[ledger.EventType]*ledger.Event{}, map[ledger.EventType]int{}
	for _, event := range t.told[o.ID] {
		if ofTickets(event.Type) {
			t.ticketIsTold(o, event)
			tickets[event.Type]++
			continue
		}
		if told[event.Type] != nil {
			t.wrong("%s: order %s was told as %s at the versions %d and %d", t.group, o.Number, event.Type,
				told[event.Type].Version(), event.Version())
		}
		told[event.Type] = event
	}
	for what, n := range ticketEvents(o) {
		if tickets[what] != n {
			t.wrong("%s: order %s has %d times %s, and %d took effect", t.group, o.Number, n, what, tickets[what])
		}
	}
	ended := map[rail.OrderState]ledger.EventType{
		rail.Cancelled: ledger.EventOrderCancelled, rail.Expired: ledger.EventOrderExpired,
	}
	for _, one := range []struct {
		what       ledger.EventType
		is         bool
		version    int64 // 0: it is not known
		runVersion int64
	}{
		{ledger.EventOrderPlaced, true, 1, o.PlacedVersion},
		{ledger.EventOrderPaid, !o.PaidAt.IsZero(), t.versionIf(o, rail.Paid), o.PlacedVersion},
		{ended[rail.Cancelled], o.State == rail.Cancelled, t.versionIf(o, rail.Cancelled), o.EndedVersion},
		{ended[rail.Expired], o.State == rail.Expired, t.versionIf(o, rail.Expired), o.EndedVersion},
	} {
		event := told[one.what]
		switch {
		case event == nil && one.is:
			t.wrong("%s: order %s is %s at version %d, and %s did not take effect", t.group, o.Number, o.State,
				o.Version, one.what)
		case event != nil && !one.is:
			t.wrong("%s: %s took effect, and order %s is %s at version %d", t.group, event.ID(), o.Number, o.State,
				o.Version)
		case event == nil:
		case one.version > 0 && event.OrderVersion != one.version || event.OrderVersion > o.Version ||
			event.RunVersion != one.runVersion:
			t.wrong("%s: %s took effect as version %d, at version %d of the run; order %s is %s at version %d, "+
				"placed at version %d of the run and ended at %d", t.group, one.what, event.OrderVersion,
				event.RunVersion, o.Number, o.State, o.Version, o.PlacedVersion, o.EndedVersion)
		}
	}
}

// ofTickets tells whether an event is of an order's tickets. It may come more than once.
func ofTickets(what ledger.EventType) bool {
	switch what {
	case ledger.EventOrderRefunded, ledger.EventOrderChanging, ledger.EventOrderChanged, ledger.EventOrderUnchanged,
		ledger.EventOrderUsed:
		return true
	}
	return false
}

// ticketEvents are how often each of these events has to be told of an order. A change that was begun and done in one
// step was only done.
func ticketEvents(o *ledger.WrittenOrder) map[ledger.EventType]int {
	want := map[ledger.EventType]int{
		ledger.EventOrderRefunded: 0, ledger.EventOrderChanging: 0, ledger.EventOrderChanged: 0,
		ledger.EventOrderUnchanged: 0, ledger.EventOrderUsed: used(o),
	}
	for i := range o.Refunds {
		if o.Refunds[i].Kind == rail.RefundAsked {
			want[ledger.EventOrderRefunded]++
		}
	}
	for i := range o.Changes {
		c := &o.Changes[i]
		if c.State == rail.ChangeOpen || !c.EndedAt.Equal(c.BegunAt) {
			want[ledger.EventOrderChanging]++
		}
		switch c.State {
		case rail.ChangeDone:
			want[ledger.EventOrderChanged]++
		case rail.ChangeEnded:
			what := ledger.EventOrderUnchanged
			if o.State == rail.Cancelled && c.EndedAt.After(o.EndedAt) {
				what = ledger.EventOrderRefunded // The run was withdrawn meanwhile: all of the price goes back.
			}
			want[what]++
		case rail.ChangeOpen:
		}
	}
	return want
}

// used is how many of an order's tickets were used.
func used(o *ledger.WrittenOrder) (n int) {
	for i := range o.Tickets {
		if o.Tickets[i].Own == rail.TicketUsed {
			n++
		}
	}
	return n
}

// ticketIsTold holds an event of an order's tickets against the versions between which it must have been.
func (t *events) ticketIsTold(o *ledger.WrittenOrder, event *ledger.Event) {
	if event.OrderVersion < 3 || event.OrderVersion > o.Version || event.RunVersion <= o.PlacedVersion {
		t.wrong("%s: %s took effect as version %d, at version %d of the run; order %s is at version %d, placed at "+
			"version %d of the run", t.group, event.ID(), event.OrderVersion, event.RunVersion, o.Number, o.Version,
			o.PlacedVersion)
	}
}

// versionIf is the order's version where that is of a state: an order that was corrected has moved on since.
func (t *events) versionIf(o *ledger.WrittenOrder, state rail.OrderState) int64 {
	if o.State == state && o.Corrections == 0 && o.ErasedAt.IsZero() && len(o.Refunds)+len(o.Changes)+used(o) == 0 {
		return o.Version
	}
	return 0
}

// runIsTold compares a run's status with what was told of it: a run begins published, and each event changes that.
func (t *events) runIsTold(s *ledger.AuditSnapshot) {
	status := rail.Published
	for _, event := range t.told[string(s.Run.ID)] {
		var next rail.RunStatus
		switch event.Type {
		case ledger.EventRunSuspended:
			next = rail.Suspended
		case ledger.EventRunResumed:
			next = rail.Published
		case ledger.EventRunWithdrawn:
			next = rail.Withdrawn
		}
		switch {
		case next == status && t.inOrder:
			t.wrong("%s: %s took effect on run %s, which was so", t.group, event.Type, s.Run.ID)
		case event.RunVersion > s.Version:
			t.wrong("%s: %s took effect at version %d of run %s, which is at %d", t.group, event.Type, event.RunVersion,
				s.Run.ID, s.Version)
		}
		status = next
	}
	if t.inOrder && status != s.Run.Status {
		t.wrong("%s: run %s is %s, and was told as %s", t.group, s.Run.ID, s.Run.Status, status)
	}
}
