package rail

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
)

// RunID names a run everywhere, in Redis and MySQL too: the train's number and the service date, "T12@2019-10-12".
// It is ASCII without spaces or braces (a brace would be a Redis hash tag), at most maxRunID bytes.
type RunID string

// maxRunID leaves a run id room in every index of every ledger.
const maxRunID = 160

// NewRunID makes the id of a train's run. Numbers are percent-encoded; one too long for an id is cut and closed with
// a digest of the whole.
func NewRunID(number string, date Date) RunID {
	// Of what PathEscape lets through, "@" ends the number here and "~" comes before a digest.
	encoded := strings.NewReplacer("@", "%40", "~", "%7E").Replace(url.PathEscape(number))
	const room = maxRunID - len("@2019-10-12")
	if len(encoded) > room {
		sum := sha256.Sum256([]byte(number))
		encoded = encoded[:room-33] + "~" + hex.EncodeToString(sum[:16])
	}
	return RunID(encoded + "@" + date.String())
}

// Valid tells whether the id has the form of a run id; whether there is such a run, the ledger knows.
func (id RunID) Valid() bool {
	at := strings.LastIndexByte(string(id), '@')
	if at < 1 || len(id) > maxRunID {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '{' || id[i] == '}' {
			return false
		}
	}
	_, err := ParseDate(string(id[at+1:]))
	return err == nil
}

// Date is the service date in a valid id.
func (id RunID) Date() Date {
	date, err := ParseDate(string(id[strings.LastIndexByte(string(id), '@')+1:]))
	if err != nil {
		return 0
	}
	return date
}

// RunName is how people call a train's run, such as "T12 on 2019-10-12".
func RunName(number string, date Date) string { return number + " on " + date.String() }

// RunStatus is what was decided about a run; its RunState follows from it and from the time.
type RunStatus string

// The stored states of a run.
const (
	Published RunStatus = "PUBLISHED"
	Suspended RunStatus = "SUSPENDED"
	Withdrawn RunStatus = "WITHDRAWN"
)

// RunState is what a passenger sees of a run at a given time.
type RunState string

// The states of a run.
const (
	RunNotOpen   RunState = "NOT_OPEN"
	RunOnSale    RunState = "ON_SALE"
	RunSuspended RunState = "SUSPENDED"
	RunClosed    RunState = "CLOSED"
	RunWithdrawn RunState = "WITHDRAWN"
)

// Run is a train on one service date. Whatever in it decides whether or what may be sold changes in the ledger only
// together with the run's version.
type Run struct {
	ID    RunID
	Train *Train
	Date  Date
	// SaleOpensAt is when the first seat may be sold.
	SaleOpensAt time.Time
	// ClosesBefore is how long before its departure selling from a call ends.
	ClosesBefore time.Duration
	Status       RunStatus
	// Reason is why the run was suspended or withdrawn.
	Reason string
}

// Name is how people call the run.
func (r *Run) Name() string { return RunName(r.Train.Number, r.Date) }

// WithStatus is the run with a status that is newer than the timetable. It is the run itself where the status is the
// same, else a copy without the reason, which belonged to the old status.
func (r *Run) WithStatus(status RunStatus) *Run {
	if status == r.Status || status == "" {
		return r
	}
	changed := *r
	changed.Status, changed.Reason = status, ""
	return &changed
}

// Arrival is when the run reaches call i.
func (r *Run) Arrival(i int) time.Time { return r.Train.at(r.Date, i, r.Train.Calls[i].ArrivalSeconds) }

// Departure is when the run leaves call i.
func (r *Run) Departure(i int) time.Time {
	return r.Train.at(r.Date, i, r.Train.Calls[i].DepartureSeconds)
}

// SaleClosesAt is when selling from call i ends. It has no meaning at the terminus.
func (r *Run) SaleClosesAt(i int) time.Time { return r.Departure(i).Add(-r.ClosesBefore) }

// ClosesAt is when selling ends at the last call where a passenger may board.
func (r *Run) ClosesAt() time.Time {
	last := 0
	for i := range r.Train.Legs() {
		if !r.Train.Calls[i].NoBoarding {
			last = i
		}
	}
	return r.SaleClosesAt(last)
}

// StateAt is the state of the run at an instant.
func (r *Run) StateAt(now time.Time) RunState {
	switch {
	case r.Status == Withdrawn:
		return RunWithdrawn
	case !now.Before(r.ClosesAt()):
		return RunClosed
	case r.Status == Suspended:
		return RunSuspended
	case now.Before(r.SaleOpensAt):
		return RunNotOpen
	}
	return RunOnSale
}

// MaySell is nil when a seat from call i may be sold now, else the refusal.
func (r *Run) MaySell(i int, now time.Time) *Error {
	switch {
	case r.Status == Withdrawn:
		return Refuse(NotOnSale, "the run %s was withdrawn: %s", r.ID, r.Reason)
	case !now.Before(r.SaleClosesAt(i)):
		return Refuse(SaleClosed, "selling from %s ended at %s", r.Train.Calls[i].Station,
			r.SaleClosesAt(i).Format(time.RFC3339))
	case r.Status == Suspended:
		return Refuse(NotOnSale, "the sale of %s is suspended: %s", r.ID, r.Reason)
	case now.Before(r.SaleOpensAt):
		return Refuse(SaleNotOpen, "the sale of %s opens at %s", r.ID, r.SaleOpensAt.Format(time.RFC3339))
	}
	return nil
}

// RunCall is a call on a run: it has a date, where a Call has only offsets.
type RunCall struct {
	Run   *Run
	Index int
}

// Call is the train's call.
func (c RunCall) Call() *Call { return &c.Run.Train.Calls[c.Index] }

// Sequence counts from 1 at the origin.
func (c RunCall) Sequence() int { return c.Index + 1 }

// IsOrigin tells whether the run starts here.
func (c RunCall) IsOrigin() bool { return c.Index == 0 }

// IsTerminus tells whether the run ends here.
func (c RunCall) IsTerminus() bool { return c.Index == c.Run.Train.Legs() }
