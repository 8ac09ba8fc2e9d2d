// Package history is what the clients of a cluster did and heard, and what the cluster's members have of it. The checks
// are made on it.
//
// It judges nothing. A Log may be written by many goroutines; everything else is plain values. All times are of this
// machine's clock, which every process of the proving ground shares.
package history

import (
	"strings"
	"sync"
	"time"

	"interlock/services/rail"
)

// Kind is what a client asked for.
type Kind string

// The kinds.
const (
	Place  Kind = "place"
	Pay    Kind = "pay"
	Cancel Kind = "cancel"
	Search Kind = "search"
	// Refund gives tickets of an order back, and Change changes one into an order of its own. A client of this history
	// asks for each once an order.
	Refund Kind = "refund"
	Change Kind = "change"
)

// Outcome is what a client could make of an answer.
type Outcome string

// The outcomes.
const (
	// Done: what was asked for has taken place.
	Done Outcome = "done"
	// Refused: an honest no, with a code.
	Refused Outcome = "refused"
	// Pending: not known yet; the same key will tell.
	Pending Outcome = "pending"
	// Waiting: it was begun, and is not over. Nothing is in doubt; the same key will tell.
	Waiting Outcome = "waiting"
	// Overloaded and Unavailable: nothing was done by this request; come again.
	Overloaded  Outcome = "overloaded"
	Unavailable Outcome = "unavailable"
	// Broken: no answer, or one that makes no sense. Only the same key can tell the outcome.
	Broken Outcome = "broken"
)

// Resolved tells whether nothing is left to be asked after such an answer.
func (o Outcome) Resolved() bool { return o == Done || o == Refused }

// InDoubt tells whether the request may or may not have taken effect.
func (o Outcome) InDoubt() bool { return o == Pending || o == Broken }

// Request is what is asked for, however often: a retry is the same request.
type Request struct {
	Kind Kind
	// Buyer asks. Key is the idempotency key of a placing, and else the order's number: of a change, the old order's.
	Buyer, Key string
}

// Call is one question to one server, and its answer.
type Call struct {
	Request
	Server   string
	Run      rail.RunID
	From, To int
	Class    rail.SeatClass
	// Withdrawn tells that the run was withdrawn in the end, which refuses many things.
	Withdrawn bool
	// Passengers are the travellers, one a ticket; nil where nothing is sold.
	Passengers []rail.Passenger
	// Ticket is the id of the one ticket that is given back or changed, "" where it is all of the order.
	Ticket string
	// Start and End are when the client began to ask, and when it had the answer.
	Start, End time.Time
	Outcome    Outcome
	// Code is the refusal's, or that of the error.
	Code string
	// Problem is what is wrong with a broken answer.
	Problem string
	// Order is the one in the answer; nil where there is none.
	Order *Order
}

// Order is an order as a client was told of it.
type Order struct {
	ID, Number string
	Version    int64
	State      rail.OrderState
	Total      rail.Money
	// PayBy is until when it may be paid; zero for an order that is paid or has ended.
	PayBy time.Time
	// Tickets are in the order of the passengers.
	Tickets []Ticket
}

// Ticket is a ticket of an order as a client was told of it, with the passenger's name and masked document number.
type Ticket struct{ ID, Coach, Seat, Name, DocumentMasked string }

// Seats are the seats of the tickets in words.
func (o *Order) Seats() string {
	all := make([]string, len(o.Tickets))
	for i, t := range o.Tickets {
		all[i] = "coach " + t.Coach + ", seat " + t.Seat
	}
	return strings.Join(all, "; ")
}

// Seen is one event of a subscription: a run's version, and when it came.
type Seen struct {
	Version int64
	At      time.Time
	// First marks the first event of a connection, which says how things are: after a connection broke, the version
	// that was known already may come again.
	First bool
}

// Stream is what one subscriber saw of one run, in order.
type Stream struct {
	Subscriber string
	Run        rail.RunID
	Events     []Seen
}

// Stored is one ticket with its order, as a member of the cluster has it.
type Stored struct {
	Number, Buyer, Key string
	// OrderID is the order's, and Replaces that of the order whose ticket was changed into it, "" where there is none.
	OrderID, Replaces string
	// Ticket is the ticket's number in the order, from 0 on.
	Ticket int
	Run    rail.RunID
	// State is the order's, Own the ticket's own: see rail.Ticket. Withdrawn tells that the run was withdrawn.
	State     rail.OrderState
	Own       rail.TicketState
	Withdrawn bool
	Version   int64
	From, To  int
	// PlacedVersion and EndedVersion are the run's versions that took the seat and gave it back: by the ticket itself,
	// or else with its order. EndedVersion is 0 while the ticket has its seat, and so is EndedAt.
	PlacedVersion, EndedVersion int64
	// PlacedAt, EndedAt, PaidAt and PayBy are by the primary's clock, in whole milliseconds. PlacedAt and EndedAt were
	// read after the version before theirs. EndedAt is the hold's end for a hold that
	// expired. PaidAt is zero until it is paid. PayBy is until when it may be.
	PlacedAt, EndedAt, PaidAt, PayBy time.Time
	// PayingAt is since when its money was being taken, and CaptureBy until when it could be; both are zero where it
	// was not, or at once.
	PayingAt, CaptureBy time.Time
	Class               rail.SeatClass
	SeatIndex           int
	Coach, Seat         string
	Total               rail.Money
	Passenger           rail.Passenger
}

// Live tells whether the ticket has its seat.
func (s *Stored) Live() bool { return s.State.Live() && s.Own.OwnsSeat() }

// EndedItself tells whether it ended because its time was over, and no client ended it: its hold's, or that for taking
// its money.
func (s *Stored) EndedItself() bool {
	return s.State == rail.Expired ||
		s.State == rail.Cancelled && s.PaidAt.IsZero() && !s.CaptureBy.IsZero() && !s.EndedAt.Before(s.CaptureBy)
}

// WithRun tells whether it ended since its run was withdrawn, and no client ended it.
func (s *Stored) WithRun() bool {
	return s.Withdrawn && s.State == rail.Cancelled && s.Own.OwnsSeat() && !s.EndedItself()
}

// Member is everything that one member of the cluster has.
type Member struct {
	Name    string
	Tickets []Stored
	// Deleted says that its data was deleted, and nothing is to be read of it. Problem says why else nothing could be.
	Deleted bool
	Problem string
	// Restarted says that it had ended when it was rebuilt, and was started again.
	Restarted bool
}

// Interval is a stretch of time.
type Interval struct{ From, To time.Time }

// Log collects calls and streams.
type Log struct {
	mu      sync.Mutex
	calls   []Call
	streams []*Stream
}

// Add notes a call.
func (l *Log) Add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// Follow begins a stream; See adds to it.
func (l *Log) Follow(subscriber string, run rail.RunID) *Stream {
	s := &Stream{Subscriber: subscriber, Run: run}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = append(l.streams, s)
	return s
}

// See adds an event to one of the log's streams.
func (l *Log) See(s *Stream, e Seen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Events = append(s.Events, e)
}

// Calls are all calls whose answer has come, in the order in which answers came.
func (l *Log) Calls() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Call(nil), l.calls...)
}

// Streams are all streams as they are now.
func (l *Log) Streams() []Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Stream, len(l.streams))
	for i, s := range l.streams {
		all[i] = Stream{Subscriber: s.Subscriber, Run: s.Run, Events: append([]Seen(nil), s.Events...)}
	}
	return all
}

// ByRequest groups calls, which must be in the order in which answers came, by what was asked for.
func ByRequest(calls []Call) map[Request][]Call {
	grouped := map[Request][]Call{}
	for _, c := range calls {
		if c.Kind != Search {
			grouped[c.Request] = append(grouped[c.Request], c)
		}
	}
	return grouped
}
