package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/lab/fault/check"
	"interlock/services/ledger"
	"interlock/services/rail"
)

// told is a history of events in which C13 holds: ann's order is paid, bob's is cancelled, cid's expires, dan's is on
// hold, and the run was suspended for a while. Two groups were told.
type told struct {
	effects  []effects.Effect
	snapshot *ledger.AuditSnapshot
}

const inOrder, shared = "in-order", "shared"

func tell() *told {
	s := &told{snapshot: &ledger.AuditSnapshot{
		Run: &rail.Run{ID: runID, Status: rail.Published}, Version: runVersion,
	}}
	add := func(number string, state rail.OrderState, placed, ended int64) {
		o := &ledger.WrittenOrder{Order: rail.Order{
			ID: number, Number: number, RunID: runID, State: state, Version: 2,
		}, PlacedVersion: placed, EndedVersion: ended}
		switch state {
		case rail.OnHold:
			o.Version = 1
		case rail.Paid:
			o.PaidAt = at(2)
		}
		s.snapshot.Orders = append(s.snapshot.Orders, o)
	}
	add("A1", rail.Paid, 2, 0)
	add("B1", rail.Cancelled, 3, 6)
	add("C1", rail.Expired, 4, 7)
	add("D1", rail.OnHold, 5, 0)
	for _, group := range []string{inOrder, shared} {
		order := func(what ledger.EventType, id string, version, run int64) {
			s.effects = append(s.effects, effects.Effect{Group: group, Event: ledger.Event{
				Type: what, OrderID: id, OrderVersion: version, RunID: runID, RunVersion: run,
			}})
		}
		for n, id := range []string{"A1", "B1", "C1", "D1"} {
			order(ledger.EventOrderPlaced, id, 1, int64(2+n))
		}
		order(ledger.EventOrderPaid, "A1", 2, 2)
		order(ledger.EventOrderCancelled, "B1", 2, 6)
		order(ledger.EventOrderExpired, "C1", 2, 7)
		order(ledger.EventRunSuspended, "", 0, 8)
		order(ledger.EventRunResumed, "", 0, 9)
	}
	s.effects[0].Doubles = 3 // that is no harm
	return s
}

func (s *told) check() *check.Result {
	return check.Events(s.effects, []*ledger.AuditSnapshot{s.snapshot},
		check.EventGroups{All: []string{inOrder, shared}, InOrder: inOrder})
}

func TestEvents_GoodHistory(t *testing.T) {
	s := tell()
	holds(t, s.check())
	require.EqualValues(t, 3, s.check().Figures["doubles"])
	// A corrected name has moved the order on, and is no event.
	s.snapshot.Orders[0].Version, s.snapshot.Orders[0].Corrections = 3, 1
	holds(t, s.check())
	// In the other group, effects on a subject may be out of order.
	last := len(s.effects) - 1
	s.effects[last], s.effects[last-1] = s.effects[last-1], s.effects[last]
	holds(t, s.check())
}

// returning has A1 give a ticket back and begin a change of another, which comes to nothing.
func returning() *told {
	s := tell()
	o := s.snapshot.Orders[0]
	o.Version, o.Refunds = 6, []rail.Refund{{Kind: rail.RefundAsked, At: at(10), PaidBackAt: at(11)}}
	o.Changes = []rail.TicketChange{{State: rail.ChangeEnded, BegunAt: at(12), EndedAt: at(13)}}
	for _, group := range []string{inOrder, shared} {
		for n, what := range []ledger.EventType{
			ledger.EventOrderRefunded, ledger.EventOrderChanging, ledger.EventOrderUnchanged,
		} {
			s.effects = append(s.effects, effects.Effect{Group: group, Event: ledger.Event{
				Type: what, OrderID: "A1", OrderVersion: int64(3 + n), RunID: runID, RunVersion: int64(10 + n),
			}})
		}
	}
	return s
}

func TestEvents_OfTickets(t *testing.T) {
	holds(t, returning().check())
	inspected := returning()
	o := inspected.snapshot.Orders[0]
	o.Tickets = []rail.Ticket{{Own: rail.TicketUsed}}
	require.Contains(t, strings.Join(inspected.check().Examples, "\n"),
		"order A1 has 1 times interlock.order.used, and 0 took effect")
	o.Version++
	for _, group := range []string{inOrder, shared} {
		inspected.effects = append(inspected.effects, effects.Effect{Group: group, Event: ledger.Event{
			Type: ledger.EventOrderUsed, OrderID: "A1", OrderVersion: 6, RunID: runID, RunVersion: 13,
		}})
	}
	holds(t, inspected.check())
	fenced := returning()
	fenced.snapshot.Orders = append(fenced.snapshot.Orders, &ledger.WrittenOrder{Order: rail.Order{
		ID: "F1", Number: "F1", RunID: runID, State: rail.Cancelled, Version: 2, Replaces: &rail.TicketRef{},
	}, PlacedVersion: 9, EndedVersion: 9})
	holds(t, fenced.check())
	fenced.effects[len(fenced.effects)-1].Event.OrderID = "F1"
	require.Contains(t, strings.Join(fenced.check().Examples, "\n"), "order F1 never had a ticket")
	for says, plant := range map[string]func(*told){
		"order A1 has 1 times interlock.order.refunded, and 0 took effect": func(s *told) {
			s.effects = slices.DeleteFunc(s.effects, func(e effects.Effect) bool {
				return e.Event.Type == ledger.EventOrderRefunded
			})
		},
		"order A1 has 2 times interlock.order.refunded, and 1 took effect": func(s *told) {
			o := s.snapshot.Orders[0]
			o.Refunds = append(o.Refunds, o.Refunds[0])
		},
		"order A1 has 0 times interlock.order.unchanged, and 1 took effect": func(s *told) {
			s.snapshot.Orders[0].Changes[0].State = rail.ChangeOpen
		},
		"order A1 has 0 times interlock.order.changed, and 1 took effect": func(s *told) {
			s.effects[len(s.effects)-1].Event.Type = ledger.EventOrderChanged
			s.snapshot.Orders[0].Changes = s.snapshot.Orders[0].Changes[:0]
		},
		"order A1 is at version 6, placed at version 2": func(s *told) {
			s.effects[len(s.effects)-1].Event.OrderVersion = 7
		},
	} {
		s := returning()
		plant(s)
		r := s.check()
		require.False(t, r.OK, says)
		require.Contains(t, strings.Join(r.Examples, "\n"), says)
	}
}

// TestEvents_Planted plants one thing after the other that must not be.
func TestEvents_Planted(t *testing.T) {
	const each = 9 // effects of a group
	for name, one := range map[string]struct {
		plant func(*told)
		says  string
	}{
		"Missing": {
			func(s *told) { s.effects = append(s.effects[:each+4:each+4], s.effects[each+5:]...) },
			"shared: order A1 is PAID at version 2, and interlock.order.paid did not take effect",
		},
		"NothingAtAll": {
			func(s *told) { s.effects = s.effects[:each] },
			"shared: order A1 is PAID at version 2, and interlock.order.placed did not take effect",
		},
		"Twice": {
			func(s *told) { s.effects = append(s.effects, s.effects[4]) },
			"in-order: interlock.order.paid 2 of A1 took effect twice",
		},
		"TwiceAtTwoVersions": {func(s *told) {
			s.effects = append(s.effects, s.effects[4])
			s.effects[len(s.effects)-1].Event.OrderVersion = 3
		}, "in-order: order A1 was told as interlock.order.paid at the versions 2 and 3"},
		"NeverHappened": {func(s *told) {
			s.effects = append(s.effects, s.effects[3])
			s.effects[len(s.effects)-1].Event.Type = ledger.EventOrderPaid
			s.effects[len(s.effects)-1].Event.OrderVersion = 2
		}, "in-order: D1.2 took effect, and order D1 is ON_HOLD at version 1"},
		"NoSuchOrder": {func(s *told) {
			s.effects = append(s.effects, s.effects[3])
			s.effects[len(s.effects)-1].Event.OrderID = "X1"
		}, "in-order: interlock.order.placed of order X1 took effect, and the primary has no such order"},
		"OutOfOrder": {
			func(s *told) { s.effects[0], s.effects[4] = s.effects[4], s.effects[0] },
			"in-order: version 1 of A1 took effect after version 2",
		},
		"ToldAsSomethingElse": {
			func(s *told) { s.effects[4].Others = 1 },
			"in-order: 1 times version 2 of A1 was told as something else than interlock.order.paid",
		},
		"AnotherVersionOfTheOrder": {
			func(s *told) { s.effects[5].Event.OrderVersion = 3 },
			"in-order: interlock.order.cancelled took effect as version 3",
		},
		"AnotherVersionOfTheRun": {
			func(s *told) { s.effects[6].Event.RunVersion = 6 },
			"in-order: interlock.order.expired took effect as version 2, at version 6 of the run",
		},
		"RunStaysSuspended": {
			func(s *told) { s.effects = append(s.effects[:each-1:each-1], s.effects[each:]...) },
			"in-order: run T12@2019-10-12 is PUBLISHED, and was told as SUSPENDED",
		},
		"RunResumedTwice": {func(s *told) {
			s.effects = append(s.effects, s.effects[each-1])
			s.effects[len(s.effects)-1].Event.RunVersion = 10
		}, "in-order: interlock.run.resumed took effect on run T12@2019-10-12, which was so"},
		"RunOfAFuture": {
			func(s *told) { s.effects[each-1].Event.RunVersion = runVersion + 1 },
			"in-order: interlock.run.resumed took effect at version 100001",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell()
			one.plant(s)
			fails(t, s.check(), one.says)
		})
	}
}
