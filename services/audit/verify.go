package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"interlock/internal/pause"
	"interlock/services/rail"
)

// The checks of Verify.
const (
	// CheckRun: a run's row is not what its train, its id or the record of publications says.
	CheckRun = "run"
	// CheckOverlap: two tickets had one seat on one leg at the same time.
	CheckOverlap = "overlap"
	// CheckTicket: a ticket is for a seat or calls that its train does not have.
	CheckTicket = "ticket"
	// CheckMap: a seat map is not what the live tickets say.
	CheckMap = "map"
	// CheckCapacity: sold and free do not add up to the seats of a class.
	CheckCapacity = "capacity"
	// CheckPersonal: a passenger cannot be read, is missing without a mark, or is still there where it was forgotten.
	CheckPersonal = "personal"
	// CheckMoney: a ticket does not cost its fare, or an order not what its tickets cost.
	CheckMoney = "money"
	// CheckDocument: two tickets had one document on one leg at the same time.
	CheckDocument = "document"
	// CheckOrder: an order's row is not one of its run, or says nothing.
	CheckOrder = "order"
	// CheckState: an order's state is not what its times, its keys and its run say.
	CheckState = "state"
	// CheckOverdue: a hold is long past its time, and has its seats all the same.
	CheckOverdue = "overdue"
	// CheckVersion: a run is behind its own orders or changes, or an order behind what became of it.
	CheckVersion = "version"
	// CheckOrphan: a row belongs to something that is not there.
	CheckOrphan = "orphan"
	// CheckTrain: a train or formation is not what its id says, or could not be sold.
	CheckTrain = "train"
	// CheckStation: a station is not what its code says, or is missing.
	CheckStation = "station"
	// CheckPublication: the record of publications has gaps, goes back, or is not what runs say.
	CheckPublication = "publication"
	// CheckAsked: what is remembered of asked documents says nothing, or should be forgotten.
	CheckAsked = "asked"
	// CheckRecord: what is recorded of what an admin did to an order is not as it should be.
	CheckRecord = "record"
	// CheckCluster: the record of the cluster contradicts itself.
	CheckCluster = "cluster"
	// CheckRedis: Redis is not what the ledger says at the same version, or stays behind it.
	CheckRedis = "redis"
)

const (
	// maxDefects bounds a report: a thousand defects have one cause.
	maxDefects = 1_000
	// snapshotsPage is how many runs are read at one moment. Their orders are in memory run by run.
	snapshotsPage = 200
	// slack is how far apart two times may be that different transactions have written, and how long what is to be done
	// at a time may take. It is far more than members' clocks differ by, and than a failover or a restart takes.
	slack = 5 * time.Minute
)

// settleTime is how long Redis may stay behind the ledger before Verify calls it wrong: repair promises a second.
// settlePoll is how often it looks meanwhile.
const (
	settleTime = 3 * time.Second
	settlePoll = 200 * time.Millisecond
)

// Defect is one promise that does not hold. It names no passenger.
type Defect struct {
	Check string `json:"check"`
	// Run, Order (its id), Coach and Seat are empty where the defect is not of one.
	Run   rail.RunID `json:"run"`
	Order string     `json:"order,omitempty"`
	Coach string     `json:"coach"`
	Seat  string     `json:"seat"`
	// Row names a row of another table, "station BJP".
	Row     string `json:"row,omitempty"`
	Message string `json:"message"`
}

// Report is what Verify found.
type Report struct {
	OK bool `json:"ok"`
	// Runs are those with a row, Tickets those that are live.
	Runs    int      `json:"runs"`
	Tickets int      `json:"tickets"`
	Defects []Defect `json:"defects"`
	// More is how many more there are than Defects has room for.
	More int `json:"more,omitempty"`
}

func (r *Report) add(d Defect) {
	r.OK = false
	if len(r.Defects) < maxDefects {
		r.Defects = append(r.Defects, d)
	} else {
		r.More++
	}
}

// row adds a defect of a row that is of no run.
func (r *Report) row(check, row, format string, arguments ...any) {
	r.add(Defect{Check: check, Row: row, Message: fmt.Sprintf(format, arguments...)})
}

// Verify recomputes every promise from what is written. It may run while seats are sold: each run is looked at at one
// moment, and what may still be under way is not called wrong. An error means that it could not look.
func (a *Auditor) Verify(ctx context.Context) (*Report, error) {
	report := &Report{OK: true, Defects: []Defect{}}
	seen := newSeen()
	for after := rail.RunID(""); ; {
		lefts, last, err := a.verifyPage(ctx, after, seen, report)
		if err != nil {
			return nil, err
		}
		if last == "" {
			break
		}
		if a.Cache != nil && len(lefts) > 0 {
			if err := a.verifyRedis(ctx, after, lefts, report); err != nil {
				return nil, err
			}
		}
		after = last
	}
	if err := a.verifyRegisters(ctx, report); err != nil {
		return nil, err
	}
	if err := a.verifyKeys(ctx, seen, report); err != nil {
		return nil, err
	}
	return report, nil
}

// seen is what the snapshots of all runs have in common.
type seen struct {
	// sound tells of trains whether they keep the rules: one that does not may have no calls, or distances that go
	// down.
	sound map[string]bool
	// keys are the ids of the keys that passengers are sealed with, each with a run.
	keys map[string]rail.RunID
}

func newSeen() *seen { return &seen{map[string]bool{}, map[string]rail.RunID{}} }

// verifyPage checks some runs, and says what is left of those that can be read, by their tickets. last is
// the last of them, "" where there are none.
func (a *Auditor) verifyPage(ctx context.Context, after rail.RunID, seen *seen, report *Report) (lefts []*rail.Availability, last rail.RunID, err error) {
	for snapshot, err := range a.Ledger.AuditSnapshots(ctx, after, snapshotsPage) {
		if err != nil {
			return nil, "", err
		}
		v := &verifier{AuditSnapshot: snapshot, report: report, idle: a.Idle, seen: seen}
		for _, key := range snapshot.Keys {
			seen.keys[key] = snapshot.ID
		}
		if left := v.verify(); left != nil {
			lefts = append(lefts, left)
		}
		last = snapshot.ID
	}
	return lefts, last, nil
}

// verifyRedis compares a page of runs with Redis, each at one version. A sale in flight is never accused: while Redis
// and the ledger are at different versions, both are read again, and only what has not come together after settleTime
// is a defect: Redis either has not moved at all, or is still not what the ledger says.
func (a *Auditor) verifyRedis(ctx context.Context, after rail.RunID, lefts []*rail.Availability, report *Report) error {
	deadline := time.Now().Add(settleTime)
	first := map[rail.RunID]int64{}
	for {
		stored, err := a.Cache.Stored(ctx, lefts)
		if err != nil {
			return err
		}
		var open []*rail.Availability
		for i, left := range lefts {
			seen := stored[i]
			switch {
			case seen != nil && seen.Version == left.Version:
				if !equal(seen, left) {
					report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf("at version %d Redis has other counts than the tickets", left.Version)})
				}
				continue
			case time.Now().Before(deadline):
				if _, ok := first[left.RunID]; !ok {
					first[left.RunID] = versionOf(seen)
				}
				open = append(open, left)
			case versionOf(seen) != first[left.RunID]:
				// It moves: the run is being sold, and its versions are compared by somebody who comes at a quieter
				// time.
			case seen == nil:
				report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: "Redis does not have the run"})
			default:
				report.add(Defect{Check: CheckRedis, Run: left.RunID, Message: fmt.Sprintf("Redis stays at version %d, the ledger is at %d", seen.Version, left.Version)})
			}
		}
		if len(open) == 0 {
			return nil
		}
		if !pause.For(ctx, settlePoll) {
			return ctx.Err()
		}
		if lefts, err = a.readAgain(ctx, after, open); err != nil {
			return err
		}
	}
}

// versionOf is an entry's version, 0 where there is none.
func versionOf(left *rail.Availability) int64 {
	if left == nil {
		return 0
	}
	return left.Version
}

// readAgain recomputes some runs of a page from their tickets as they are now. Their rows were checked already; what
// is wrong with them is not said twice.
func (a *Auditor) readAgain(ctx context.Context, after rail.RunID, open []*rail.Availability) ([]*rail.Availability, error) {
	wanted := map[rail.RunID]bool{}
	for _, left := range open {
		wanted[left.RunID] = true
	}
	all, _, err := a.verifyPage(ctx, after, newSeen(), &Report{})
	return slices.DeleteFunc(all, func(left *rail.Availability) bool { return !wanted[left.RunID] }), err
}
