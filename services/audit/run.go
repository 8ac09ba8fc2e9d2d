package audit

import (
	"fmt"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// verifier holds one run's rows against each other.
type verifier struct {
	*ledger.AuditSnapshot
	report *Report
	// idle tells that no server runs.
	idle bool
	seen *seen
	// tickets are the maps that the live tickets make. sold is how many live tickets a class has on each leg, those
	// with a wrong seat included.
	tickets map[rail.SeatClass]*seatmap.Map
	sold    map[rail.SeatClass][]int
	// latest is the latest that an order was placed at so far.
	latest time.Time
}

// orderChecks are made of each order by itself. A check that needs the run or the order's train is left out where that
// cannot be read, which is a defect of its own.
var orderChecks = []func(*verifier, *ledger.WrittenOrder){
	(*verifier).verifyRow,
	(*verifier).verifyState,
	(*verifier).verifyTimes,
	(*verifier).verifyPayBy,
	(*verifier).verifySale,
	(*verifier).verifyOverdue,
	(*verifier).verifyVersions,
	(*verifier).verifyMoney,
	(*verifier).verifyOwn,
	(*verifier).verifyRefunds,
	(*verifier).verifyChanges,
	(*verifier).verifyTickets,
}

// isSound tells whether a train keeps the rules.
func (v *verifier) isSound(train *rail.Train) bool {
	sound, known := v.seen.sound[train.ID]
	if !known {
		sound = len(train.Validate()) == 0
		v.seen.sound[train.ID] = sound
	}
	return sound
}

// verify checks the run, and returns what is left of it by its tickets; nil where the run cannot be read.
func (v *verifier) verify() *rail.Availability {
	if v.Run != nil && !v.isSound(v.Run.Train) {
		v.Run, v.Problem = nil, fmt.Errorf("its train %s does not keep the rules", v.Run.Train.ID)
	}
	switch {
	case v.Missing:
		// Each of its orders is said to be an orphan.
	case v.Run == nil:
		v.report.Runs++
		v.wrong(CheckRun, "cannot be read: %v", v.Problem)
	default:
		v.report.Runs++
		for _, check := range runChecks {
			check(v)
		}
		v.openMaps()
	}
	for _, o := range v.Orders {
		if o.Train != nil && !v.isSound(o.Train) {
			o.Train = nil
		}
		if o.Missing {
			v.order(CheckOrphan, o, "%d tickets belong to it, and it is not there", len(o.Tickets))
			continue
		}
		if v.Missing {
			v.order(CheckOrphan, o, "its run is not there")
		}
		for _, check := range orderChecks {
			check(v, o)
		}
	}
	v.verifyHistory()
	for _, p := range v.Personal {
		v.report.add(Defect{
			Check: CheckPersonal, Run: v.ID, Order: p.OrderID,
			Message: fmt.Sprintf("ticket %d: %s", p.Ticket, p.Problem),
		})
	}
	if v.Run == nil {
		return nil
	}
	return v.verifyMaps()
}

// wrong adds a defect of the run.
func (v *verifier) wrong(check, format string, arguments ...any) {
	v.report.add(Defect{Check: check, Run: v.ID, Message: fmt.Sprintf(format, arguments...)})
}

// order adds a defect of an order.
func (v *verifier) order(check string, o *ledger.WrittenOrder, format string, arguments ...any) {
	v.report.add(Defect{Check: check, Run: v.ID, Order: o.ID, Message: fmt.Sprintf(format, arguments...)})
}

// ticket adds a defect of a ticket.
func (v *verifier) ticket(check string, o *ledger.WrittenOrder, i int, format string, arguments ...any) {
	t := &o.Tickets[i]
	v.report.add(Defect{
		Check: check, Run: v.ID, Order: o.ID, Coach: t.Coach, Seat: t.Seat,
		Message: fmt.Sprintf(format, arguments...),
	})
}

// statusAfter are the states that a run may be in after each kind of publication. A suspended run that is published
// anew stays suspended: only resuming resumes it.
var statusAfter = map[string][]rail.RunStatus{
	ledger.DidPublish:  {rail.Published, rail.Suspended},
	ledger.DidSuspend:  {rail.Suspended},
	ledger.DidResume:   {rail.Published},
	ledger.DidWithdraw: {rail.Withdrawn},
	ledger.DidDrop:     {rail.Withdrawn, rail.Suspended},
}

// runChecks are made of each run that can be read.
var runChecks = []func(*verifier){
	(*verifier).verifyRunRow,
	(*verifier).verifyDecision,
	(*verifier).verifyRunVersions,
	(*verifier).verifyMapRows,
}

// verifyRunRow holds the run's row against its train, its id and the clock.
func (v *verifier) verifyRunRow() {
	run, row, now := v.Run, &v.Row, v.Now.Add(slack)
	if id := rail.NewRunID(run.Train.Number, run.Date); id != v.ID {
		v.wrong(CheckRun, "its train and its date make it %s", id)
	}
	if row.TrainNumber != run.Train.Number {
		v.wrong(CheckRun, "train_number is %q, its train has %q", row.TrainNumber, run.Train.Number)
	}
	if run.ClosesBefore < 0 {
		v.wrong(CheckRun, "its sale closes %v after the departure", -run.ClosesBefore)
	}
	if row.Feed.Name == "" && (row.Feed.Selection != "" || row.Did == ledger.DidDrop) {
		v.wrong(CheckRun, "it belongs to no feed, and its row or the record of publications is of one that does")
	}
	if row.TouchedAt.UnixMilli() < 0 || row.TouchedAt.After(now) {
		v.wrong(CheckRun, "touched_at is %s, and now it is %s", at(row.TouchedAt), at(v.Now))
	}
	if row.ErasedAt.IsZero() {
		return
	}
	if over := run.Arrival(run.Train.Legs()); row.ErasedAt.After(now) || row.ErasedAt.Before(over) {
		v.wrong(CheckPersonal, "its passengers were forgotten at %s, before it was over or later than now",
			at(row.ErasedAt))
	}
}

// verifyDecision holds the run's status and its reason against what the record of publications says was done last.
func (v *verifier) verifyDecision() {
	run, row := v.Run, &v.Row
	gaveReason := row.Did == ledger.DidSuspend || row.Did == ledger.DidWithdraw || row.Did == ledger.DidDrop
	switch after := statusAfter[row.Did]; {
	case after == nil:
		v.wrong(CheckPublication, "its publication is %d, which the record does not have for runs", row.Publication)
	case !slices.Contains(after, run.Status):
		v.wrong(CheckRun, "its status is %q, and what was done to it last is %s", run.Status, row.Did)
	case run.Status == rail.Published && run.Reason != "":
		v.wrong(CheckRun, "it is open, and has a reason why it is not")
	case run.Status != rail.Published && run.Reason == "":
		v.wrong(CheckRun, "it is %s, and has no reason why", run.Status)
	case gaveReason && run.Reason != row.DidFor:
		v.wrong(CheckRun, "its reason is not the one that the record of publications has")
	}
}

// verifyRunVersions holds the run's version against its first one, and those of its changes of seats.
func (v *verifier) verifyRunVersions() {
	if v.Version < 1 {
		v.wrong(CheckVersion, "its version is %d, and the first is 1", v.Version)
	}
	for _, version := range v.Row.Changes {
		if version < 2 || version > v.Version {
			v.wrong(CheckVersion, "it has changes of seats of the version %d, and is at %d", version, v.Version)
		}
	}
}

// verifyMapRows holds the rows of maps and their changes against the sizes and classes that they should have. A run has
// a map of each class, or, where nothing was ever sold, none at all.
func (v *verifier) verifyMapRows() {
	formation, row := v.Run.Train.Formation, &v.Row
	if row.ChangesBytes != row.CountedBytes {
		v.wrong(CheckMap, "changes_bytes is %d, its maps and changes make it %d", row.ChangesBytes, row.CountedBytes)
	}
	if len(row.MapClasses)+len(row.Changes) == 0 {
		return
	}
	for _, class := range formation.Classes {
		if !slices.Contains(row.MapClasses, class) {
			v.wrong(CheckMap, "it has maps or changes of them, and no map of %s", class)
		}
	}
	for _, class := range row.MapClasses {
		if formation.ClassIndex(class) < 0 {
			v.wrong(CheckMap, "it has a map of %q, and its train no such seats", class)
		}
	}
}

// at is a time as a row has it, to the millisecond.
func at(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }
