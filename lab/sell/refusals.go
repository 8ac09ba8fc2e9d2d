package sell

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"interlock/lab/load"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// verdict counts the buyers that were told that nothing is left while a seat was free, and those of which that cannot
// be decided.
type verdict struct{ wrong, undecided int }

// sold is a sold seat as the ledger has it. at is in milliseconds, by the primary's clock.
type sold struct {
	at             int64
	class          int
	seat, from, to int
}

// judgeRefusals holds every refusal against the ledger, by its run.
func (l *lab) judgeRefusals(ctx context.Context, db *sql.DB) (map[*load.Run]verdict, error) {
	byRun := map[*load.Run][]load.NoSeat{}
	for _, r := range l.crowd.Journal.SoldOut() {
		byRun[r.Run] = append(byRun[r.Run], r)
	}
	judged := map[*load.Run]verdict{}
	for run, refusals := range byRun {
		tickets, err := readSold(ctx, db, run)
		if err == nil {
			judged[run], err = judge(run.SeatsPerClass, refusals, tickets)
		}
		if err != nil {
			return nil, fmt.Errorf("judging the refusals of %s: %w", run.RunID, err)
		}
	}
	return judged, nil
}

// readSold reads what was sold of a run, in the order of time.
func readSold(ctx context.Context, db *sql.DB, run *load.Run) ([]sold, error) {
	rows, err := db.QueryContext(ctx, "SELECT o.placed_at, o.from_call, o.to_call, t.seat_class, t.seat_index "+
		"FROM orders o JOIN tickets t ON t.run_id = o.run_id AND t.order_id = o.id WHERE o.run_id = ? ORDER BY "+
		"o.placed_at", string(run.RunID))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []sold
	for rows.Next() {
		var s sold
		var class rail.SeatClass
		if err := rows.Scan(&s.at, &s.from, &s.to, &class, &s.seat); err != nil {
			return nil, err
		}
		s.class = slices.Index(load.Classes[:], class)
		all = append(all, s)
	}
	return all, errors.Join(rows.Err(), rows.Close())
}

// judge compares the refusals of a run with its maps, which are made again from its tickets in the order of time. A
// refusal was made at a version between the moment the buyer asked and the moment the answer came. In this load no seat
// is given back. So where nothing was free at the question, the refusal was right. Where a seat was free at the answer,
// it was free at the version too, and the refusal was wrong. Where the last seat went in between, it cannot be decided.
func judge(seatsPerClass int, refusals []load.NoSeat, tickets []sold) (verdict, error) {
	// look is a look at the maps as they were before a millisecond.
	type look struct {
		before  int64
		refusal int
		heard   bool
	}
	var looks []look
	for i, r := range refusals {
		// Within the millisecond of the question the order of events is not known, so its sales do not count against
		// the buyer. Those of the millisecond of the answer all do.
		looks = append(looks, look{r.AskedAt.UnixMilli(), i, false}, look{r.HeardAt.UnixMilli() + 1, i, true})
	}
	slices.SortFunc(looks, func(a, b look) int { return cmp.Compare(a.before, b.before) })
	var maps [len(load.Classes)]*seatmap.Map
	for i := range maps {
		maps[i] = seatmap.New(load.Calls-1, seatsPerClass)
	}
	var v verdict
	freeWhenAsked := make([]bool, len(refusals))
	for _, at := range looks {
		for ; len(tickets) > 0 && tickets[0].at < at.before; tickets = tickets[1:] {
			if s := &tickets[0]; s.class < 0 {
				return v, errors.New("a ticket of a class that the run does not have")
			} else if err := maps[s.class].Sell(s.seat, s.from, s.to); err != nil {
				return v, err
			}
		}
		r := &refusals[at.refusal]
		free := maps[r.Class].Remaining(int(r.From), int(r.To)) > 0
		switch {
		case !at.heard:
			freeWhenAsked[at.refusal] = free
		case free:
			v.wrong++
		case freeWhenAsked[at.refusal]:
			v.undecided++
		}
	}
	return v, nil
}
