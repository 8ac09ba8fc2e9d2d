package check_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/fault/check"
	"interlock/lab/fault/history"
	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	runID  = rail.RunID("T12@2019-10-12")
	legs   = 4
	seats  = 2
	server = "127.0.0.1:1"
)

// epoch is when every history here begins.
var epoch = time.UnixMilli(1_570_000_000_000)

// at is so many seconds later.
func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

// runVersion is the run's version in the end.
const runVersion = 100_000

// versionAt is the version that the run has so many seconds after it was published: it moves on every millisecond.
func versionAt(seconds float64) int64 { return 1 + int64(seconds*1000) }

// example is a history in which every promise holds: ann buys seat 23A and keeps it, bob buys 23B and gives it back,
// cid buys 23B after him, and dan is told that nothing is left.
type example struct {
	calls     []history.Call
	primary   history.Member
	snapshots []*ledger.AuditSnapshot
}

func train() *rail.Train {
	f := rail.NewFormation([]rail.Coach{{
		Number: "3", SeatClass: rail.Second,
		Seats: []rail.Seat{{Label: "23A"}, {Label: "23B"}},
	}})
	calls := make([]rail.Call, legs+1)
	for i := range calls {
		calls[i] = rail.Call{Station: rail.StationCode("S" + string(rune('A'+i)))}
	}
	return rail.NewTrain("T12", "T", "Asia/Shanghai", calls, f, &rail.Fares{})
}

func call(
	kind history.Kind, buyer, key string, from, to float64, outcome history.Outcome, order *history.Order,
) history.Call {
	c := history.Call{
		Request: history.Request{Kind: kind, Buyer: buyer, Key: key}, Server: server, Run: runID, From: 0, To: legs,
		Class: rail.Second,
		Start: at(from), End: at(to), Outcome: outcome, Order: order,
	}
	if order != nil {
		c.Passengers = []rail.Passenger{passenger(order.Number)}
	}
	return c
}

// price is what every order costs, and payBy until when it may be paid.
var (
	price = rail.Money{Minor: 55_300, Currency: "CNY"}
	payBy = at(900)
)

// passenger is the traveller of an order.
func passenger(number string) rail.Passenger {
	return rail.Passenger{Name: "王" + number, DocumentNumber: "1101011990" + number}
}

func order(number, seat string, version int64, state rail.OrderState) *history.Order {
	o := &history.Order{
		ID: "id-" + number, Number: number, Version: version, State: state, Total: price,
		Tickets: []history.Ticket{{
			ID: "ticket-" + number, Coach: "3", Seat: seat, Name: passenger(number).Name,
			DocumentMasked: passenger(number).DocumentNumberMasked(),
		}},
	}
	if state == rail.OnHold {
		o.PayBy = payBy
	}
	return o
}

func stored(
	number, buyer, key, seat string, index int, state rail.OrderState, version int64, placed, ended float64,
) history.Stored {
	s := history.Stored{
		Number: number, Buyer: buyer, Key: key, Run: runID, State: state, Version: version, From: 0, To: legs,
		PlacedAt:      at(placed),
		PlacedVersion: versionAt(placed), Class: rail.Second, SeatIndex: index, Coach: "3", Seat: seat,
		Total: price, Passenger: passenger(number), PayBy: payBy,
	}
	if ended > 0 {
		s.EndedAt, s.EndedVersion = at(ended), versionAt(ended)
	}
	return s
}

func good() *example {
	soldOut := call(history.Place, "dan", "key-dan", 5, 6, history.Refused, nil)
	soldOut.Code = "SOLD_OUT"
	t := train()
	ticket := func(index int, seat string) []rail.Ticket {
		return []rail.Ticket{{SeatClass: rail.Second, SeatIndex: index, Coach: "3", Seat: seat}}
	}
	full := seatmap.New(legs, seats)
	for seat := range seats {
		if err := full.Sell(seat, 0, legs); err != nil {
			panic(err)
		}
	}
	return &example{
		calls: []history.Call{
			call(history.Place, "ann", "key-ann", 0, 1, history.Pending, nil),
			call(history.Place, "ann", "key-ann", 1.1, 1.3, history.Done, order("A1", "23A", 1, rail.OnHold)),
			call(history.Place, "bob", "key-bob", 1, 2, history.Done, order("B1", "23B", 1, rail.OnHold)),
			call(history.Cancel, "bob", "B1", 2.5, 3, history.Done, order("B1", "23B", 2, rail.Cancelled)),
			call(history.Place, "cid", "key-cid", 3.5, 4, history.Done, order("C1", "23B", 1, rail.OnHold)),
			soldOut,
		},
		primary: history.Member{Name: "primary", Tickets: []history.Stored{
			stored("A1", "ann", "key-ann", "23A", 0, rail.OnHold, 1, 0.5, 0),
			stored("B1", "bob", "key-bob", "23B", 1, rail.Cancelled, 2, 1.5, 2.8),
			stored("C1", "cid", "key-cid", "23B", 1, rail.OnHold, 1, 3.8, 0),
		}},
		snapshots: []*ledger.AuditSnapshot{{
			Run: &rail.Run{ID: runID, Train: t, Status: rail.Published}, Version: runVersion,
			Maps: map[rail.SeatClass][]byte{rail.Second: full.Encode()},
			Orders: []*ledger.WrittenOrder{
				{Order: rail.Order{
					Number: "A1", RunID: runID, TrainID: t.ID, From: 0, To: legs, State: rail.OnHold,
					Tickets: ticket(0, "23A"),
				}},
				{Order: rail.Order{
					Number: "C1", RunID: runID, TrainID: t.ID, From: 0, To: legs, State: rail.OnHold,
					Tickets: ticket(1, "23B"),
				}},
			},
		}},
	}
}

// returned is a history in which bob gives his ticket back, and cid changes one, at one version of the run, into a
// shorter trip on the same seat.
func returned() *example {
	s := good()
	changed := call(history.Change, "cid", "C1", 7, 8, history.Done, order("N1", "23B", 2, rail.Paid))
	changed.To, changed.Passengers = 2, []rail.Passenger{passenger("N1")}
	s.calls[3] = call(history.Refund, "bob", "B1", 2.5, 3, history.Done, order("B1", "23B", 3, rail.Returned))
	s.calls = append(s.calls, call(history.Pay, "bob", "B1", 2.1, 2.3, history.Done, order("B1", "23B", 2, rail.Paid)),
		call(history.Pay, "cid", "C1", 4.1, 4.3, history.Done, order("C1", "23B", 2, rail.Paid)), changed)
	b := &s.primary.Tickets[1]
	b.OrderID, b.State, b.Version, b.Own, b.PaidAt = "id-B1", rail.Returned, 4, rail.TicketRefunded, at(2.2)
	c := &s.primary.Tickets[2]
	c.OrderID, c.State, c.Version, c.Own, c.PaidAt = "id-C1", rail.Returned, 3, rail.TicketChanged, at(4.2)
	c.EndedAt, c.EndedVersion = at(7.5), versionAt(7.5)
	n := stored("N1", "cid", "the id of the change", "23B", 1, rail.Paid, 2, 7.5, 0)
	n.OrderID, n.Replaces, n.To, n.PaidAt = "id-N1", "id-C1", 2, at(7.5)
	s.primary.Tickets = append(s.primary.Tickets, n)
	return s
}

func TestChecks_RefundsAndChanges(t *testing.T) {
	all := func(s *example) []*check.Result {
		return []*check.Result{
			check.Overlap([]history.Member{s.primary}), check.Kept(s.calls, s.primary), check.Refused(s.calls, s.primary),
			check.Resolved(s.calls, s.primary, at(1)), s.linear(),
		}
	}
	for _, r := range all(returned()) {
		require.True(t, r.OK, "%s: %v", r.Name, r.Examples)
	}
	for says, plant := range map[string]func(*example){
		"C1: primary: T12@2019-10-12 coach 3 seat 23B is sold": func(s *example) {
			s.primary.Tickets[2].State, s.primary.Tickets[2].Own = rail.Paid, rail.TicketChanging
		},
		"C2: order B1 was told RETURNED, and the primary has PAID": func(s *example) { s.primary.Tickets[1].State = rail.Paid },
		"C2: order B1 was told PAID, and the primary has CANCELLED": func(s *example) {
			s.primary.Tickets[1].State = rail.Cancelled
		},
		"C3: bob was told refused (WRONG_STATE) when it asked for a refund of order B1": func(s *example) {
			s.calls[3].Outcome, s.calls[3].Code, s.calls[3].Order = history.Refused, "WRONG_STATE", nil
		},
		"C3: cid was told QUOTE_STALE when it asked to change C1": func(s *example) {
			s.calls[8].Outcome, s.calls[8].Code, s.calls[8].Order = history.Refused, "QUOTE_STALE", nil
		},
		"C4: cid got the orders N1 and N2 for one change": func(s *example) {
			again := s.calls[8]
			again.Order = order("N2", "23B", 2, rail.Paid)
			s.calls = append(s.calls, again)
		},
		"C5: the refund of B1 took effect":                       func(s *example) { s.primary.Tickets[1].EndedAt = at(2.3) },
		"C5: the change of C1 took effect":                       func(s *example) { s.primary.Tickets[3].PlacedAt = at(9) },
		"C5: a ticket of order B1 was given back, and no client": func(s *example) { s.calls[3].Key = "X1" },
		"C5: a ticket of order C1 was changed, and no client":    func(s *example) { s.calls[8].Key = "X1" },
		"C5: T12@2019-10-12, replayed: order N1": func(s *example) {
			s.primary.Tickets[2].EndedVersion++
			s.primary.Tickets[2].EndedAt = at(7.501)
		},
	} {
		s := returned()
		plant(s)
		var said []string
		for _, r := range all(s) {
			for _, example := range r.Examples {
				said = append(said, r.Name+": "+example)
			}
		}
		require.Contains(t, strings.Join(said, "\n"), says)
	}
}

// party is a history in which pia buys both seats for two, and gives the second ticket back. One asks for both seats
// then, and is told that there are not so many. Another has the one that is left.
func party() *example {
	s := good()
	told := func(version int64, state rail.OrderState) *history.Order {
		o := order("P1", "23A", version, state)
		o.Tickets = append(o.Tickets, order("P2", "23B", 1, state).Tickets...)
		return o
	}
	two := []rail.Passenger{passenger("P1"), passenger("P2")}
	s.calls = []history.Call{
		call(history.Place, "pia", "key-pia", 0, 1, history.Done, told(1, rail.OnHold)),
		call(history.Pay, "pia", "P1", 2, 3, history.Done, told(2, rail.Paid)),
		call(history.Refund, "pia", "P1", 4, 5, history.Done, told(3, rail.Paid)),
		call(history.Place, "quy", "key-quy", 6, 7, history.Refused, nil),
		call(history.Place, "rob", "key-rob", 8, 9, history.Done, order("R1", "23B", 1, rail.OnHold)),
	}
	for i := range 4 {
		s.calls[i].Passengers = two
	}
	s.calls[2].Ticket, s.calls[3].Code = "ticket-P2", "SOLD_OUT"
	a := stored("P1", "pia", "key-pia", "23A", 0, rail.Paid, 4, 0.5, 0)
	a.PaidAt = at(2.5)
	b := a
	b.Ticket, b.Seat, b.SeatIndex, b.Passenger, b.Own = 1, "23B", 1, passenger("P2"), rail.TicketRefunded
	b.EndedAt, b.EndedVersion = at(4.5), versionAt(4.5)
	s.primary.Tickets = []history.Stored{b, a, stored("R1", "rob", "key-rob", "23B", 1, rail.OnHold, 1, 8.5, 0)}
	return s
}

func TestChecks_Parties(t *testing.T) {
	all := func(s *example) []*check.Result {
		return []*check.Result{
			check.Overlap([]history.Member{s.primary}), check.Kept(s.calls, s.primary), check.Refused(s.calls, s.primary),
			check.Resolved(s.calls, s.primary, at(1)), s.linear(),
		}
	}
	for _, r := range all(party()) {
		require.True(t, r.OK, "%s: %v", r.Name, r.Examples)
	}
	for says, plant := range map[string]func(*example){
		"C1: primary: T12@2019-10-12 coach 3 seat 23B is sold": func(s *example) { s.primary.Tickets[0].Own = "" },
		"C2: order P1 was told with coach 3 seat 23B, and the primary has coach 3 seat 23C": func(s *example) {
			s.primary.Tickets[0].Seat = "23C"
		},
		"told with 2 tickets, and the primary has it with 1": func(s *example) { s.primary.Tickets = s.primary.Tickets[1:] },
		"for 2 passengers and told with 1 tickets": func(s *example) {
			s.calls[0].Order.Tickets = s.calls[0].Order.Tickets[:1]
		},
		"C2: pia was told of order P1 (place, coach 3, seat 23A; coach 3, seat 23B)": func(s *example) {
			s.primary.Tickets = s.primary.Tickets[2:]
		},
		"C3: pia was told refused (WRONG_STATE) when it asked for a refund of order P1, and a ticket": func(s *example) {
			s.calls[2].Outcome, s.calls[2].Code, s.calls[2].Order = history.Refused, "WRONG_STATE", nil
		},
		"C5: the refund of P1 took effect":                       func(s *example) { s.primary.Tickets[0].EndedAt = at(3) },
		"C5: a ticket of order P1 was given back, and no client": func(s *example) { s.calls[2].Key = "X1" },
		"C5: quy was told that no seat of SECOND is left for 1":  func(s *example) { s.calls[3].Passengers = nil },
		"C5: T12@2019-10-12 coach 3 seat 23B: its 2 sales and": func(s *example) {
			s.primary.Tickets = s.primary.Tickets[2:]
		},
	} {
		s := party()
		plant(s)
		var said []string
		for _, r := range all(s) {
			for _, example := range r.Examples {
				said = append(said, r.Name+": "+example)
			}
		}
		require.Contains(t, strings.Join(said, "\n"), says)
	}
}

func (s *example) linear() *check.Result {
	r, _ := check.Linear(s.calls, s.primary, s.snapshots, 0, 5*time.Second)
	return r
}

// holds and fails say what a check says of a history.
func holds(t *testing.T, r *check.Result) {
	t.Helper()
	require.True(t, r.OK, r.Examples)
	require.Positive(t, r.Looked, "it looked at something")
}

func fails(t *testing.T, r *check.Result, says string) {
	t.Helper()
	require.False(t, r.OK)
	require.Positive(t, r.Failed)
	require.Contains(t, r.Examples[0], says)
}

func TestChecks_GoodHistory(t *testing.T) {
	s := good()
	holds(t, check.Overlap([]history.Member{s.primary}))
	holds(t, check.Kept(s.calls, s.primary))
	holds(t, check.Refused(s.calls, s.primary))
	holds(t, check.Resolved(s.calls, s.primary, at(1)))
	holds(t, s.linear())
	holds(t, check.Capacity(s.snapshots))
}

func TestOverlap_SeatSoldTwice(t *testing.T) {
	s := good()
	second := stored("X1", "eve", "key-eve", "23B", 1, rail.Paid, 1, 4, 0)
	second.From, second.To = legs-1, legs
	s.primary.Tickets = append(s.primary.Tickets, second)
	fails(t, check.Overlap([]history.Member{s.primary}), "seat 23B is sold to C1")
}

func TestOverlap_OnAReplicaOnly(t *testing.T) {
	s := good()
	replica := history.Member{Name: "replica", Tickets: append([]history.Stored{}, s.primary.Tickets...)}
	replica.Tickets[1].State = rail.OnHold
	fails(t, check.Overlap([]history.Member{s.primary, replica}), "replica: ")
}

func TestOverlap_MemberThatWasNotRead(t *testing.T) {
	s := good()
	silent := history.Member{Name: "replica", Problem: "it is behind"}
	fails(t, check.Overlap([]history.Member{s.primary, silent, s.primary}), "replica could not be read: it is behind")
	deleted := history.Member{Name: "replica", Deleted: true}
	r := check.Overlap([]history.Member{s.primary, deleted, s.primary})
	holds(t, r)
	require.EqualValues(t, 2, r.Figures["members_looked_at"])
	fails(t, check.Overlap([]history.Member{s.primary, deleted, deleted}), "only 1 of 3 members were read")
}

func TestOverlap_NeighboursAndTheDead(t *testing.T) {
	s := good()
	s.primary.Tickets[2].From = 2
	before := stored("X1", "eve", "key-eve", "23B", 1, rail.Paid, 1, 4, 0)
	before.To = 2
	s.primary.Tickets = append(s.primary.Tickets, before)
	holds(t, check.Overlap([]history.Member{s.primary}))
}

func TestKept_OrderLost(t *testing.T) {
	s := good()
	s.primary.Tickets = s.primary.Tickets[1:]
	fails(t, check.Kept(s.calls, s.primary), "the primary does not have it")
}

func TestKept_OrderChanged(t *testing.T) {
	for says, change := range map[string]func(*history.Stored){
		"coach 3 seat 23A, and": func(s *history.Stored) { s.Seat = "23C" },
		"as eve's":              func(s *history.Stored) { s.Buyer = "eve" },
		"the primary has version 0": func(s *history.Stored) {
			s.Version = 0
		},
		"was told ON_HOLD":                func(s *history.Stored) { s.State = rail.Paid },
		"has it in SECOND from call 2 to": func(s *history.Stored) { s.From = 1 },
		"from call 1 to 4":                func(s *history.Stored) { s.To = legs - 1 },
		"has it in FIRST":                 func(s *history.Stored) { s.Class = rail.First },
		"has it for 553.01 CNY":           func(s *history.Stored) { s.Total.Minor++ },
		"has it for 王A2 with":             func(s *history.Stored) { s.Passenger = passenger("A2") },
	} {
		s := good()
		change(&s.primary.Tickets[0])
		fails(t, check.Kept(s.calls, s.primary), says)
	}
}

func TestKept_ToldWrong(t *testing.T) {
	for says, change := range map[string]func(*history.Order){
		"to be paid 1s later than":  func(o *history.Order) { o.PayBy = payBy.Add(time.Second) },
		"later than the primary":    func(o *history.Order) { o.PayBy = time.Time{} },
		"told for 553.01 CNY":       func(o *history.Order) { o.Total.Minor++ },
		"told for 王A1 with 11*":     func(o *history.Order) { o.Tickets[0].DocumentMasked = "11**********" },
		"told for nobody with 110*": func(o *history.Order) { o.Tickets[0].Name = "nobody" },
	} {
		s := good()
		change(s.calls[1].Order)
		fails(t, check.Kept(s.calls, s.primary), says)
	}
}

func TestKept_CancelledLivesAgain(t *testing.T) {
	s := good()
	s.primary.Tickets[1].State, s.primary.Tickets[1].Version = rail.OnHold, 3
	fails(t, check.Kept(s.calls, s.primary), "was told CANCELLED")
}

func TestRefused_SoldAllTheSame(t *testing.T) {
	s := good()
	s.primary.Tickets = append(s.primary.Tickets, stored("D1", "dan", "key-dan", "23C", 2, rail.OnHold, 1, 5.5, 0))
	fails(t, check.Refused(s.calls, s.primary), "the primary has order D1")
}

func TestRefused_UnavailableMeansNothingWasDone(t *testing.T) {
	s := good()
	s.calls[5].Outcome = history.Unavailable
	s.primary.Tickets = append(s.primary.Tickets, stored("D1", "dan", "key-dan", "23C", 2, rail.OnHold, 1, 5.5, 0))
	fails(t, check.Refused(s.calls, s.primary), "was told unavailable")

	// After an attempt in doubt it speaks of itself only.
	inDoubt := call(history.Place, "dan", "key-dan", 4.5, 4.9, history.Broken, nil)
	s.calls = append(append([]history.Call{}, s.calls[:5]...), inDoubt, s.calls[5])
	require.True(t, check.Refused(s.calls, s.primary).OK)
}

func TestRefused_PaidAndCancelledAllTheSame(t *testing.T) {
	for _, one := range []struct {
		kind  history.Kind
		state rail.OrderState
	}{{history.Pay, rail.Paid}, {history.Cancel, rail.Cancelled}} {
		s := good()
		s.calls = append(s.calls, call(one.kind, "ann", "A1", 6, 7, history.Refused, nil))
		s.primary.Tickets[0].State = one.state
		fails(t, check.Refused(s.calls, s.primary), "A1")
	}
}

func TestResolved_StaysOpen(t *testing.T) {
	s := good()
	fails(t, check.Resolved(s.calls[:1], s.primary, at(1)), "ann does not know what became of its place")
}

func TestResolved_TooLate(t *testing.T) {
	s := good()
	s.calls[1].End = at(1).Add(check.ResolveTime + time.Second)
	fails(t, check.Resolved(s.calls, s.primary, at(1)), "31.0 s after the healing")
}

func TestResolved_TwoOrdersForOneKey(t *testing.T) {
	s := good()
	s.calls = append(s.calls, call(history.Place, "ann", "key-ann", 6, 7, history.Done,
		order("A2", "23A", 1, rail.OnHold)))
	fails(t, check.Resolved(s.calls, s.primary, at(1)), "the orders A1 and A2")
}

// TestResolved_TwoOrdersAndOneWasTold has a second order for ann's key on the primary, of which no client was told.
func TestResolved_TwoOrdersAndOneWasTold(t *testing.T) {
	s := good()
	s.primary.Tickets = append(s.primary.Tickets, stored("A2", "ann", "key-ann", "23C", 2, rail.OnHold, 1, 0.6, 0))
	fails(t, check.Resolved(s.calls, s.primary, at(1)),
		"the primary has the orders A1 and A2 of ann for the key key-ann")
	s.primary.Tickets[3].Buyer = "eve"
	holds(t, check.Resolved(s.calls, s.primary, at(1)))
}

func TestResolved_ToldAndThenRefused(t *testing.T) {
	s := good()
	again := call(history.Place, "bob", "key-bob", 2.1, 2.3, history.Refused, nil)
	again.Code = "SOLD_OUT"
	s.calls = append(s.calls, again)
	fails(t, check.Resolved(s.calls, s.primary, at(1)),
		"bob was told SOLD_OUT for its place with the key key-bob, after it was told of order B1")
	// One that was asked before may have been answered after it.
	s.calls[len(s.calls)-1].Start = at(1.9)
	holds(t, check.Resolved(s.calls, s.primary, at(1)))
}

func TestRefused_ForNoReason(t *testing.T) {
	s := good()
	s.calls[5].Code = "NOT_FOUND"
	fails(t, check.Refused(s.calls, s.primary), "dan was told NOT_FOUND when it asked to place key-dan")
}

func TestLinear_SoldWhileItIsSold(t *testing.T) {
	s := good()
	// cid has the seat before bob gives it back: both by the ledger's times and by the clients'.
	s.calls[4].Start, s.calls[4].End = at(2.1), at(2.4)
	s.primary.Tickets[2].PlacedAt, s.primary.Tickets[2].PlacedVersion = at(2.2), versionAt(2.2)
	r := s.linear()
	fails(t, r, "replayed: order C1")
	require.Contains(t, r.Examples[len(r.Examples)-1], "cannot have taken place in any order",
		"porcupine finds it without the ledger's times")
}

func TestLinear_LostAndSoldAgain(t *testing.T) {
	s := good()
	// bob's order is gone with its primary, and cid has his seat.
	s.calls = append(s.calls[:3], s.calls[4:]...)
	s.primary.Tickets = []history.Stored{s.primary.Tickets[0], s.primary.Tickets[2]}
	fails(t, s.linear(), "seat 23B: its 2 sales and returns cannot have taken place in any order")
}

func TestLinear_TakesEffectBeforeItIsAskedFor(t *testing.T) {
	s := good()
	s.primary.Tickets[2].PlacedAt = at(3.2)
	fails(t, s.linear(), "the place of key-cid took effect 0.300 s before cid asked for it")
}

// TestLinear_LateLine has the primary's times come late by no more than its line is.
func TestLinear_LateLine(t *testing.T) {
	s := good()
	s.primary.Tickets[2].PlacedAt = at(3.45)
	fails(t, s.linear(), "the place of key-cid took effect 0.050 s before cid asked for it")
	r, _ := check.Linear(s.calls, s.primary, s.snapshots, 50*time.Millisecond, 5*time.Second)
	holds(t, r)
}

// TestLinear_OneMillisecond has a seat sold, given back and sold again within one: only their versions tell their
// order.
func TestLinear_OneMillisecond(t *testing.T) {
	s := good()
	bob, cid := &s.primary.Tickets[1], &s.primary.Tickets[2]
	s.calls[3].Start, s.calls[4].Start = at(1.4), at(1.4)
	bob.EndedAt, cid.PlacedAt = bob.PlacedAt, bob.PlacedAt
	bob.EndedVersion, cid.PlacedVersion = bob.PlacedVersion+1, bob.PlacedVersion+2
	holds(t, s.linear())
	bob.EndedVersion, cid.PlacedVersion = bob.PlacedVersion+2, bob.PlacedVersion+1
	fails(t, s.linear(), "order C1, coach 3 seat 23B from call 1 to 5, cannot be sold")
}

func TestLinear_VersionsAndTimesDisagree(t *testing.T) {
	s := good()
	s.primary.Tickets[2].PlacedVersion = s.primary.Tickets[1].EndedVersion + 1
	s.primary.Tickets[1].EndedAt = s.primary.Tickets[2].PlacedAt.Add(10 * time.Millisecond)
	s.calls[3].End = at(4)
	fails(t, s.linear(), "was made 10ms before the version before it")

	s = good()
	s.primary.Tickets[1].PlacedVersion = s.primary.Tickets[0].PlacedVersion
	fails(t, s.linear(), "version 501, was made twice, and one of them by order B1")

	s = good()
	s.primary.Tickets[0].PlacedVersion = 0
	fails(t, s.linear(), "has orders that belong to no version of it")
}

// TestLinear_VersionsAndCallsDisagree has cid answered before eve asks, for another seat, and her version is lower. By
// the clock she may have been early.
func TestLinear_VersionsAndCallsDisagree(t *testing.T) {
	s := good()
	s.calls = s.calls[1:5]
	s.primary.Tickets[0].PlacedVersion = versionAt(3.8) - 1
	s.primary.Tickets[0].PlacedAt = at(3.8)
	s.calls[0].Start, s.calls[0].End = at(4.2), at(4.5)
	fails := func(says string) {
		t.Helper()
		r, _ := check.Linear(s.calls, s.primary, s.snapshots, time.Second, 5*time.Second)
		fails(t, r, says)
	}
	fails("the place of order A1 was asked for after the place of order C1 was answered, which is version 3801 of " +
		"T12@2019-10-12, and is version 3800")

	s = good()
	s.snapshots[0].Version = 3800
	fails("T12@2019-10-12 is at version 3800, and has orders of version 3801")
}

// TestLinear_Expired: what a sale ended with it was over by then, and a sweep may come at any time.
func TestLinear_Expired(t *testing.T) {
	s := good()
	bob, cid := &s.primary.Tickets[1], &s.primary.Tickets[2]
	s.calls = append(s.calls[:3], s.calls[4:]...)
	bob.State, bob.PayBy = rail.Expired, bob.EndedAt
	holds(t, s.linear())
	// A batch that was begun before the hold was over does not know of it for a moment, and for no longer.
	soldOut := &s.calls[len(s.calls)-1]
	asks := soldOut.Start
	soldOut.Start, soldOut.End = bob.EndedAt.Add(5*time.Millisecond), bob.EndedAt.Add(30*time.Millisecond)
	holds(t, s.linear())
	soldOut.Start, soldOut.End = bob.EndedAt.Add(60*time.Millisecond), bob.EndedAt.Add(90*time.Millisecond)
	fails(t, s.linear(), "dan was told that no seat")
	soldOut.Start, soldOut.End = asks, asks.Add(time.Second)
	bob.EndedVersion = cid.PlacedVersion
	holds(t, s.linear())
	bob.EndedAt = cid.PlacedAt.Add(time.Millisecond)
	bob.PayBy = bob.EndedAt
	fails(t, s.linear(), "version 3801, ended a hold 1ms before it was over")
}

func TestLinear_WrongNo(t *testing.T) {
	s := good()
	s.calls[5].Start, s.calls[5].End = at(3.1), at(3.3) // while nobody has 23B
	r, wrongNo := check.Linear(s.calls, s.primary, s.snapshots, 0, 5*time.Second)
	fails(t, r, "dan was told that no seat")
	require.Equal(t, map[history.Request]bool{s.calls[5].Request: true}, wrongNo)
}

func TestLinear_NobodyAskedForIt(t *testing.T) {
	s := good()
	s.calls = s.calls[2:]
	fails(t, s.linear(), "no client of this history has asked for it")
}

func TestLinear_UndecidedMayOrMayNot(t *testing.T) {
	s := good()
	// cid's answer never came: his order is there all the same, or it is not.
	s.calls[4].Outcome, s.calls[4].Order = history.Broken, nil
	holds(t, s.linear())
	s.primary.Tickets = s.primary.Tickets[:2]
	s.calls = s.calls[:5]
	holds(t, s.linear())
}

func TestLinear_SearchRunsOut(t *testing.T) {
	s := good()
	// Two orders keep one seat, and a dozen have it for a moment, all within one minute: no order of them is right, and
	// to know that takes longer than there is.
	s.calls = s.calls[:4]
	s.primary.Tickets = s.primary.Tickets[:2]
	for n := range 14 {
		number := fmt.Sprintf("Z%d", n)
		s.calls = append(s.calls, call(history.Place, "zoe", "key-"+number, 10, 90, history.Done,
			order(number, "23B", 1, rail.OnHold)))
		state, placed, ended := rail.Cancelled, 20+float64(n), 20.5+float64(n)
		if n < 2 {
			state, placed, ended = rail.OnHold, 40+float64(n), 0
		} else {
			s.calls = append(s.calls, call(history.Cancel, "zoe", number, 10, 90, history.Done,
				order(number, "23B", 2, rail.Cancelled)))
		}
		s.primary.Tickets = append(s.primary.Tickets,
			stored(number, "zoe", "key-"+number, "23B", 1, state, 2, placed, ended))
	}
	r, _ := check.Linear(s.calls, s.primary, s.snapshots, 0, 0)
	require.False(t, r.OK)
	require.Contains(t, strings.Join(r.Examples, " "), "could not be checked in time")
}

func TestLinear_GivenBackByAnother(t *testing.T) {
	s := good()
	// ann's and eve's orders are for one seat, and only ann's is given back: eve cannot have had it before.
	s.calls = append(s.calls,
		call(history.Place, "eve", "key-eve", 1.35, 1.4, history.Done, order("E1", "23A", 1, rail.OnHold)),
		call(history.Cancel, "ann", "A1", 1.45, 1.5, history.Done, order("A1", "23A", 2, rail.Cancelled)))
	ann := &s.primary.Tickets[0]
	ann.State, ann.EndedAt, ann.EndedVersion = rail.Cancelled, at(1.47), versionAt(1.47)
	s.primary.Tickets = append(s.primary.Tickets, stored("E1", "eve", "key-eve", "23A", 0, rail.OnHold, 1, 1.38, 0))
	r := s.linear()
	require.Contains(t, strings.Join(r.Examples, " "),
		"seat 23A: its 3 sales and returns cannot have taken place in any order")
}

// paid is good, and ann has paid.
func paid() *example {
	s := good()
	s.calls = append(s.calls, call(history.Pay, "ann", "A1", 1.5, 1.8, history.Done, order("A1", "23A", 2, rail.Paid)))
	ann := &s.primary.Tickets[0]
	ann.State, ann.Version, ann.PaidAt, ann.PayBy = rail.Paid, 2, at(1.6), at(9)
	return s
}

func TestLinear_Payments(t *testing.T) {
	holds(t, paid().linear())

	s := paid()
	s.primary.Tickets[0].PaidAt = at(1.4)
	fails(t, s.linear(), "the pay of A1 took effect 0.100 s before ann asked for it")

	s = paid()
	s.calls = s.calls[:len(s.calls)-1]
	fails(t, s.linear(), "order A1 is paid, and no client of this history has paid it")

	s = paid()
	s.primary.Tickets[0].PayBy = at(1.6)
	fails(t, s.linear(), "order A1 was paid 0.000 s after its hold was over")

	s = good()
	s.primary.Tickets[1].State, s.primary.Tickets[1].PayBy = rail.Expired, at(2.9)
	fails(t, s.linear(), "order B1 expired 0.100 s before its hold was over")
}

// TestLinear_Paying: a hold is stopped while money is being taken. An order whose money did not come ends by itself.
func TestLinear_Paying(t *testing.T) {
	paying := func() (*example, *history.Stored) {
		s := paid()
		ann := &s.primary.Tickets[0]
		ann.PayBy, ann.PayingAt, ann.CaptureBy, ann.Version = at(1.58), at(1.55), at(9), 3
		return s, ann
	}
	s, ann := paying()
	holds(t, s.linear())
	ann.PayingAt = at(1.59)
	fails(t, s.linear(), "order A1 was PAYING 0.010 s after its hold was over")
	s, ann = paying()
	ann.CaptureBy = at(1.6)
	fails(t, s.linear(), "order A1 was paid 0.000 s after the time for taking its money was over")

	s, ann = paying()
	s.calls = s.calls[:len(s.calls)-1]
	ann.State, ann.PaidAt, ann.CaptureBy, ann.EndedAt, ann.EndedVersion = rail.Cancelled, time.Time{}, at(9), at(9),
		versionAt(9)
	holds(t, s.linear())
	ann.CaptureBy = time.Time{}
	fails(t, s.linear(), "order A1 is cancelled, and no client of this history has cancelled it")
}

func TestKept_PayingMovesOn(t *testing.T) {
	s := good()
	s.calls = append(s.calls, call(history.Pay, "ann", "A1", 1.5, 1.8, history.Done,
		order("A1", "23A", 2, rail.Paying)))
	ann := &s.primary.Tickets[0]
	ann.State, ann.Version = rail.Paid, 3
	holds(t, check.Kept(s.calls, s.primary))
	ann.Version = 2
	fails(t, check.Kept(s.calls, s.primary), "order A1 was told PAYING, and the primary has PAID")
}

func TestLinear_HoldIsOver(t *testing.T) {
	s := paid()
	s.primary.Tickets[2].PayBy = at(9)
	over := call(history.Pay, "cid", "C1", 8.5, 9, history.Refused, nil)
	over.Code = "HOLD_EXPIRED"
	s.calls = append(s.calls, over)
	holds(t, s.linear())
	s.calls[len(s.calls)-1].End = at(8.9)
	fails(t, s.linear(), "cid was told that the hold of order C1 is over, 100ms before it was")
}

func TestLinear_NobodyCancelledIt(t *testing.T) {
	s := good()
	s.calls = append(s.calls[:3], s.calls[4:]...)
	fails(t, s.linear(), "order B1 is cancelled, and no client of this history has cancelled it")
}

func TestCapacity_MapAndTicketsDisagree(t *testing.T) {
	s := good()
	s.snapshots[0].Orders = s.snapshots[0].Orders[:1]
	fails(t, check.Capacity(s.snapshots), "1 sold and 0 free are not 2 seats")
}

// TestSeatsOfTickets has a ticket end while its order lives: its seat is free, so that a map in which it is sold, and
// counts without it, are wrong. A ticket that is being changed has its seat.
func TestSeatsOfTickets(t *testing.T) {
	own := func(state rail.TicketState) (capacity, derived *check.Result) {
		s := good()
		counts, err := check.Recount(s.snapshots[0])
		require.NoError(t, err)
		s.snapshots[0].Orders[0].Tickets[0].Own = state
		return check.Capacity(s.snapshots), check.Derived(s.snapshots,
			[]*rail.Availability{{RunID: runID, Version: runVersion, Counts: counts}})
	}
	for _, state := range []rail.TicketState{"", rail.TicketChanging} {
		capacity, derived := own(state)
		holds(t, capacity)
		holds(t, derived)
	}
	for _, state := range []rail.TicketState{rail.TicketRefunded, rail.TicketChanged} {
		capacity, derived := own(state)
		fails(t, capacity, "1 sold and 0 free are not 2 seats")
		fails(t, derived, "other counts")
	}
}

func TestDerived(t *testing.T) {
	s := good()
	counts, err := check.Recount(s.snapshots[0])
	require.NoError(t, err)
	right := func() []*rail.Availability {
		return []*rail.Availability{{RunID: runID, Version: runVersion, Counts: append([]uint16{}, counts...)}}
	}
	holds(t, check.Derived(s.snapshots, right()))

	fails(t, check.Derived(s.snapshots, []*rail.Availability{nil}), "Redis does not have it")
	old := right()
	old[0].Version--
	fails(t, check.Derived(s.snapshots, old), "Redis has version 99999, the ledger 100000")
	wrong := right()
	wrong[0].Counts[0]++
	fails(t, check.Derived(s.snapshots, wrong), "other counts")
	twice := good()
	twice.snapshots[0].Orders[1].Tickets[0].SeatIndex = 0
	fails(t, check.Derived(twice.snapshots, right()), "the tickets make no map")
}

func TestDerived_EveryRun(t *testing.T) {
	truth := []*rail.Availability{{RunID: "T13@2019-10-12", Version: 3, Counts: []uint16{7, 8}}}
	var damaged error
	everywhere := func(has *rail.Availability) *check.Result {
		s := good()
		counts, err := check.Recount(s.snapshots[0])
		require.NoError(t, err)
		r := check.Derived(s.snapshots, []*rail.Availability{{RunID: runID, Version: runVersion, Counts: counts}})
		check.Everywhere(r, truth, []*rail.Availability{has}, damaged)
		return r
	}
	holds(t, everywhere(&rail.Availability{Version: 3, Counts: []uint16{7, 8}}))
	fails(t, everywhere(nil), "T13@2019-10-12: Redis does not have it")
	fails(t, everywhere(&rail.Availability{Version: 2, Counts: []uint16{7, 8}}), "Redis has version 2, the ledger 3")
	fails(t, everywhere(&rail.Availability{Version: 3, Counts: []uint16{7, 9}}), "other counts")
	damaged = errors.New("the run T14@2019-10-12: no map")
	fails(t, everywhere(&rail.Availability{Version: 3, Counts: []uint16{7, 8}}),
		"cannot be read: the run T14@2019-10-12: no map")
}

func TestDerived_InTime(t *testing.T) {
	took := func(change func(*check.DerivedTimes)) *check.Result {
		times := check.DerivedTimes{Healed: time.Second, Sold: time.Second, All: 5 * time.Second}
		change(&times)
		r := check.Derived(nil, nil)
		check.InTime(r, times)
		return r
	}
	require.True(t, took(func(*check.DerivedTimes) {}).OK)
	late := func(times *check.DerivedTimes) { times.Healed = 3 * time.Second }
	fails(t, took(late), "only 3.0 s after the healing")
	fails(t, took(func(times *check.DerivedTimes) { times.Sold = 2 * time.Second }), "only 2.0 s after the last sale")
	fails(t, took(func(times *check.DerivedTimes) { times.All = 6 * time.Second }), "only 6.0 s after the last sale")
	// More is allowed only with a reason.
	allowed := took(func(times *check.DerivedTimes) {
		late(times)
		times.HealedLimit, times.Why = 4*time.Second, "there is no primary before"
	})
	require.True(t, allowed.OK)
	require.Equal(t, "there is no primary before", allowed.Note)
	fails(t, took(func(times *check.DerivedTimes) {
		late(times)
		times.HealedLimit = 2 * time.Second
	}), "and 2s is allowed")
}

func TestStreams(t *testing.T) {
	stream := func(events ...history.Seen) []history.Stream {
		return []history.Stream{{Subscriber: "sub", Run: runID, Events: events}}
	}
	seen := func(version int64, seconds float64, first bool) history.Seen {
		return history.Seen{Version: version, At: at(seconds), First: first}
	}
	last := map[rail.RunID]int64{runID: 9}
	holds(t, check.Streams(stream(seen(3, 0, true), seen(5, 1, false), seen(5, 2, true), seen(9, 3, false)),
		last, at(3)))

	fails(t, check.Streams(stream(seen(5, 0, true), seen(4, 1, false), seen(9, 2, false)), last, at(3)),
		"version 4 of T12@2019-10-12 after 5")
	fails(t, check.Streams(stream(seen(5, 0, true), seen(5, 1, false), seen(9, 2, false)), last, at(3)),
		"version 5 of T12@2019-10-12 after 5")
	fails(t, check.Streams(stream(seen(5, 0, true)), last, at(3)), "which is at 9")
	fails(t, check.Streams(stream(), last, at(3)), "which is at 9")
	fails(t, check.Streams(stream(seen(10, 0, true)), last, at(3)), "which is at 9")
	fails(t, check.Streams(stream(seen(9, 9, true)), last, at(3)), "6.0 s after")
}

func TestReturned(t *testing.T) {
	before := []check.Resources{{Processes: "a", Goroutines: 100, Files: 50}, {Processes: "db", Connections: 30}}
	holds(t, check.Returned(before, []check.Resources{
		{Processes: "a", Goroutines: 120, Files: 40}, {Processes: "db", Connections: 40},
	}))
	fails(t, check.Returned(before, []check.Resources{{Processes: "a", Goroutines: 160, Files: 50}, {Processes: "db"}}),
		"160 goroutines")
	fails(t, check.Returned(before, []check.Resources{
		{Processes: "a", Goroutines: 100, Files: 50}, {Processes: "db", Connections: 60},
	}), "60 connections")
	fails(t, check.Returned(before, before[:1]), "db do not say")
}

func unreplicated(calls []history.Call, alone []history.Interval) *check.Result {
	return check.Unreplicated(calls, alone, 0)
}

func TestUnreplicated_AnsweredWithoutAReplica(t *testing.T) {
	s := good()
	alone := []history.Interval{{From: at(3.2), To: at(4.5)}}
	fails(t, unreplicated(s.calls, alone), "answered with order C1")
	s.calls[4].Outcome, s.calls[4].Order = history.Pending, nil
	holds(t, unreplicated(s.calls, alone))
	// What was answered after it may have had one.
	holds(t, unreplicated(good().calls, []history.Interval{{From: at(3.2), To: at(3.9)}}))
}

func TestUnreplicated_RefusedWithoutAReplica(t *testing.T) {
	// dan is told that nothing is left, which rests on a commit like everything else.
	fails(t, unreplicated(good().calls, []history.Interval{{From: at(4.9), To: at(6.5)}}), "SOLD_OUT while it was")
}

// TestUnreplicated_AskedBefore has cid ask before the last replica is gone. His answer may have been on its way, for so
// long.
func TestUnreplicated_AskedBefore(t *testing.T) {
	s := good()
	s.calls[4].End, s.calls[5].End = at(5), at(9)
	through := func(from float64) []history.Interval { return []history.Interval{{From: at(from), To: at(6)}} }
	fails(t, unreplicated(s.calls, through(3.9)),
		"that had been asked for before was answered with order C1  1.100 s after")
	holds(t, unreplicated(s.calls, through(4.1)))
	holds(t, check.Unreplicated(s.calls, through(3.9), 200*time.Millisecond))
	s.calls[4].Outcome, s.calls[4].Order = history.Pending, nil
	holds(t, unreplicated(s.calls, through(3.9)))
}

func TestUnreplicated_NobodyWants(t *testing.T) {
	// cid has asked before, and is answered in it: that shows nothing.
	fails(t, unreplicated(good().calls, []history.Interval{{From: at(3.6), To: at(4.2)}}), "nobody wanted an answer")
	// A call that waits all the time might have been answered, unless its server never asked.
	s := good()
	through := []history.Interval{{From: at(3.6), To: at(3.9)}}
	holds(t, unreplicated(s.calls, through))
	s.calls[4].Outcome, s.calls[4].Order = history.Broken, nil
	fails(t, unreplicated(s.calls, through), "nobody wanted an answer")
	// In each time there must be a call.
	fails(t, unreplicated(good().calls, append(through, history.Interval{From: at(20), To: at(21)})),
		"nobody wanted an answer")
	none := unreplicated(good().calls, nil)
	require.True(t, none.OK)
	require.Zero(t, none.Figures["alone_intervals"])
}

func TestSuccess(t *testing.T) {
	var calls []history.Call
	for range 200 {
		calls = append(calls, call(history.Place, "ann", "k", 20, 21, history.Done, nil))
	}
	holds(t, check.Success(calls, at(5), at(30), nil))
	calls[0].Outcome, calls[1].Outcome = history.Unavailable, history.Pending
	holds(t, check.Success(calls, at(5), at(30), nil))
	calls[2].Outcome = history.Broken
	fails(t, check.Success(calls, at(5), at(30), nil), "3 of 200 calls failed")
	fails(t, check.Success(calls, at(15), at(30), nil), "only 0 orders")
}

func TestSuccess_OrdersFailAmongSearches(t *testing.T) {
	var calls []history.Call
	for n := range 10_000 {
		c := call(history.Search, "sam", "", 20, 21, history.Done, nil)
		if n%100 == 0 {
			c = call(history.Place, "ann", "k", 20, 21, history.Unavailable, nil)
		}
		calls = append(calls, c)
	}
	fails(t, check.Success(calls, at(5), at(30), nil), "100 of 100 calls failed")
}

func TestSuccess_SearchesSayNothing(t *testing.T) {
	var calls []history.Call
	for n := range 100 {
		calls = append(calls, call(history.Place, "ann", "k", 20, 21, history.Done, nil))
		c := call(history.Search, "sam", "", 20, 21, history.Done, nil)
		if n < 2 {
			c.Code = "UNKNOWN"
		}
		calls = append(calls, c)
	}
	fails(t, check.Success(calls, at(5), at(30), nil), "2 of 100 searches did not say what is left")
	calls[1].Code = ""
	holds(t, check.Success(calls, at(5), at(30), nil))
}

func TestSuccess_NobodyOrders(t *testing.T) {
	var calls []history.Call
	for _, kind := range []history.Kind{history.Search, history.Pay, history.Cancel} {
		for range 100 {
			calls = append(calls, call(kind, "ann", "k", 20, 21, history.Done, nil))
		}
	}
	fails(t, check.Success(calls, at(5), at(30), nil), "only 0 orders")
}

func TestSuccess_OnlyATrueNoCounts(t *testing.T) {
	var calls []history.Call
	for range 100 {
		c := call(history.Place, "ann", "k", 20, 21, history.Refused, nil)
		c.Code = "SOLD_OUT"
		calls = append(calls, c)
	}
	holds(t, check.Success(calls, at(5), at(30), nil))
	fails(t, check.Success(calls, at(5), at(30), map[history.Request]bool{calls[0].Request: true}), "100 of 100")
	for i := range calls {
		calls[i].Code = "INVALID"
	}
	fails(t, check.Success(calls, at(5), at(30), nil), "100 of 100")
}

func TestOutage(t *testing.T) {
	s := good() // orders are told at 1.3, 2 and 4
	require.Equal(t, 2*time.Second, check.Outage(s.calls, at(1), at(4.5)))
	require.Equal(t, 6*time.Second, check.Outage(s.calls, at(1), at(10)))
	require.Equal(t, 3*time.Second, check.Outage(nil, at(1), at(4)))
}

func TestSearched(t *testing.T) {
	search := func(buyer string, start float64, outcome history.Outcome, code string) history.Call {
		c := call(history.Search, buyer, "", start, start+0.1, outcome, nil)
		c.Code = code
		return c
	}
	early := search("ann", 1, history.Broken, "")
	calls := []history.Call{
		early, search("ann", 3, history.Done, "UNKNOWN"), search("bob", 3, history.Done, "UNKNOWN"),
		search("ann", 4, history.Done, ""),
	}
	n, failed, stopped := check.Searched(calls, at(2))
	require.Equal(t, []any{3, 2, false}, []any{n, failed, stopped}, "nobody twice")
	for name, last := range map[string]history.Call{
		"twice":     search("ann", 5, history.Done, "UNKNOWN"),
		"no answer": search("cid", 5, history.Unavailable, "UNAVAILABLE"),
	} {
		n, failed, stopped = check.Searched(append(calls[:len(calls):len(calls)], last), at(2))
		require.Equal(t, []any{4, 3, true}, []any{n, failed, stopped}, name)
	}
	_, _, stopped = check.Searched(calls, at(7))
	require.True(t, stopped, "nobody searched")
}
