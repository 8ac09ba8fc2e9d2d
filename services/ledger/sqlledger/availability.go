package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// availability counts what is left of a run from its maps. Runs that nothing was sold on share one slice per train,
// kept in free where it is not nil: counts are never written into.
func availability(
	run *rail.Run, version int64, maps map[rail.SeatClass][]byte, free map[string][]uint16,
) (*rail.Availability, error) {
	left := &rail.Availability{RunID: run.ID, TrainID: run.Train.ID, Version: version, Status: run.Status}
	if len(maps) == 0 {
		if left.Counts = free[run.Train.ID]; left.Counts == nil {
			left.Counts = allFree(run.Train)
			if free != nil {
				free[run.Train.ID] = left.Counts
			}
		}
		return left, nil
	}
	left.Counts = allFree(run.Train)
	classes := run.Train.Formation.Classes
	for class, sold := range maps {
		offset := run.Train.Formation.ClassIndex(class)
		if offset < 0 {
			return nil, fmt.Errorf("ledger: the run %s has a seat map of %s, and its train no such seats",
				run.ID, class)
		}
		m, err := seatmap.Decode(run.Train.Legs(), len(run.Train.Formation.Seats(class)), sold)
		if err != nil {
			return nil, fmt.Errorf("ledger: the run %s, %s: %w", run.ID, class, err)
		}
		m.Counts(left.Counts, len(classes), offset)
	}
	return left, nil
}

// allFree are the counts of a train with every seat free.
func allFree(train *rail.Train) []uint16 {
	classes := train.Formation.Classes
	counts := make([]uint16, rail.Pairs(len(train.Calls))*len(classes))
	for k, class := range classes {
		seats := uint16(len(train.Formation.Seats(class)))
		for at := k; at < len(counts); at += len(classes) {
			counts[at] = seats
		}
	}
	return counts
}

// versioned is a run, its version and its maps, all of one moment. run is nil where it cannot be made, and problem says
// why.
type versioned struct {
	id      rail.RunID
	run     *rail.Run
	problem error
	version int64
	maps    map[rail.SeatClass][]byte
}

// page reads runs by a condition, inside a snapshot.
func (t *transaction) page(ctx context.Context, condition string, args ...any) ([]versioned, error) {
	var rows []runRow
	var versions []int64
	err := t.rows(ctx, "SELECT r.version, "+runColumns+" FROM runs r WHERE "+condition, args, func(r *sql.Rows) error {
		var row runRow
		var version int64
		err := r.Scan(append([]any{&version}, row.fields()...)...)
		rows, versions = append(rows, row), append(versions, version)
		return err
	})
	if err != nil {
		return nil, err
	}
	runs, problems, err := t.readableRuns(ctx, rows)
	if err != nil {
		return nil, err
	}
	maps, err := t.maps(ctx, readable(runs))
	if err != nil {
		return nil, err
	}
	all := make([]versioned, len(runs))
	for i, run := range runs {
		id := rail.RunID(rows[i].id)
		all[i] = versioned{id, run, problems[i], versions[i], maps[id]}
	}
	return all, nil
}

// readable are the runs that could be made.
func readable(runs []*rail.Run) []*rail.Run {
	return slices.DeleteFunc(slices.Clone(runs), func(run *rail.Run) bool { return run == nil })
}

// versions reads the runs of a condition, each at one version: the snapshot sees one moment.
func (l *Ledger) versions(ctx context.Context, condition string, args ...any) ([]versioned, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	runs, err := t.page(ctx, condition, args...)
	return runs, definite(err)
}

// counting counts what is left of runs. A run that cannot be made, or whose maps cannot be read, is left out and named:
// it must not keep what is left of all the others from being known.
type counting struct {
	free    map[string][]uint16
	left    []*rail.Availability
	damaged []error
	more    int
}

// maxDamaged is how many runs that cannot be counted are named. More of them have one cause.
const maxDamaged = 10

func (c *counting) add(runs []versioned) {
	if c.free == nil {
		c.left, c.free = make([]*rail.Availability, 0, len(runs)), map[string][]uint16{}
	}
	for _, r := range runs {
		var left *rail.Availability
		err := r.problem
		if err == nil {
			left, err = availability(r.run, r.version, r.maps, c.free)
		}
		switch {
		case err == nil:
			c.left = append(c.left, left)
		case len(c.damaged) < maxDamaged:
			c.damaged = append(c.damaged, err)
		default:
			c.more++
		}
	}
}

// err names the runs that were left out, nil where there are none.
func (c *counting) err() error {
	if c.more > 0 {
		c.damaged = append(c.damaged, fmt.Errorf("ledger: %d more runs cannot be read", c.more))
	}
	return errors.Join(c.damaged...)
}

// maxTouched bounds the runs of one look at what was touched lately. A primary sells on fewer in a second; a
// publication that changes a whole timetable touches more, and must not have all of it read four times a second.
const maxTouched = 2_000

// Touched are the runs whose version moved within the last window by the primary's clock, with what is left of each:
// the newest maxTouched of them. Beside an error, which names the runs that cannot be read, there is what is left of
// the others. It misses runs beyond maxTouched, and a run whose commit waited for longer than the window: the time was
// written before the commit, and shows only after it. A caller that needs every run goes through Availabilities too.
func (l *Ledger) Touched(ctx context.Context, window time.Duration) ([]*rail.Availability, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	runs, err := l.versions(ctx, "r.touched_at >= "+p.dialect.now()+" - ? ORDER BY r.touched_at DESC LIMIT ?",
		window.Milliseconds(), maxTouched)
	if err != nil {
		return nil, err
	}
	var c counting
	c.add(runs)
	return c.left, c.err()
}

// Left is what is left of some runs, each at one version. Runs that do not exist are left out. Beside an error, which
// names the runs that cannot be read, there is what is left of the others.
func (l *Ledger) Left(ctx context.Context, ids []rail.RunID) ([]*rail.Availability, error) {
	var c counting
	for chunk := range slices.Chunk(ids, maxIDs) {
		runs, err := l.versions(ctx, "r.id IN "+marks(len(chunk)), anys(chunk)...)
		if err != nil {
			return nil, err
		}
		c.add(runs)
	}
	return c.left, c.err()
}

// Availabilities are what is left of runs in the order of their ids, after the given id, at most limit. Fewer than
// limit: no run follows. An error names the runs that cannot be read; the others are returned beside it. nil with an
// error: the ledger could not be read.
func (l *Ledger) Availabilities(ctx context.Context, after rail.RunID, limit int) ([]*rail.Availability, error) {
	var c counting
	for {
		missing := limit - len(c.left)
		runs, err := l.versions(ctx, "r.id > ? ORDER BY r.id LIMIT ?", string(after), missing)
		if err != nil {
			return nil, err
		}
		c.add(runs)
		if len(runs) < missing || len(c.left) == limit {
			return c.left, c.err()
		}
		after = runs[len(runs)-1].id // Some could not be read: those after them come in their place.
	}
}
