package sqlledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// A seat map is as long as a run's legs times its seats, 19 KB a class for the longest train with the most seats, and a
// batch changes a few bits of it. So what a batch changes is written as a row of seat_changes, and the maps only once
// in a while: what is sold is the maps with the changes after them. runs.changes_bytes says how much that is by now.

const (
	// maxChanges is when the maps are written anew, in bytes of changes: a few thousand tickets. Writing the maps with
	// every batch cost a primary and its replicas more than the orders of a small batch did; reading the changes again
	// costs a tenth of reading the maps.
	maxChanges = 16 << 10
	// changeRow is what a row of changes counts for besides its bytes, so that small batches do not make a thousand
	// rows.
	changeRow = 16
	// noMaps is runs.changes_bytes before the first sale. That one writes the maps.
	noMaps = -1
)

// unreadable stands for a map that cannot be read: every real one has bytes. Decoding it is an error, as for a map that
// is damaged itself, and so only callers that need this map fail.
var unreadable = []byte{}

// maps reads what is sold of runs. A run that nothing was ever sold on is not in the answer.
func (t *transaction) maps(ctx context.Context, runs []*rail.Run) (map[rail.RunID]map[rail.SeatClass][]byte, error) {
	all := map[rail.RunID]map[rail.SeatClass][]byte{}
	for chunk := range slices.Chunk(runs, maxIDs) {
		stored, changes, err := t.storedMaps(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, run := range chunk {
			maps, sets := stored[run.ID], changes[run.ID]
			if len(sets) > 0 {
				maps = changed(run.Train, maps, sets)
			}
			if maps != nil {
				all[run.ID] = maps
			}
		}
	}
	return all, nil
}

// storedMaps reads the maps of at most maxIDs runs, and the changes after them. Both come out of one statement, and so
// of one moment: in between, a batch could put the changes into the maps.
func (t *transaction) storedMaps(
	ctx context.Context, runs []*rail.Run,
) (maps map[rail.RunID]map[rail.SeatClass][]byte, changes map[rail.RunID][]changeSet, err error) {
	ids := make([]any, len(runs))
	for i, run := range runs {
		ids[i] = string(run.ID)
	}
	maps, changes = map[rail.RunID]map[rail.SeatClass][]byte{}, map[rail.RunID][]changeSet{}
	in := " WHERE run_id IN " + marks(len(ids))
	err = t.rows(ctx, "SELECT run_id, seat_class, 0, sold FROM seat_maps"+in+
		" UNION ALL SELECT run_id, '', version, changes FROM seat_changes"+in, slices.Concat(ids, ids),
		func(r *sql.Rows) error {
			var id rail.RunID
			var class rail.SeatClass
			var set changeSet
			if err := r.Scan(&id, &class, &set.version, &set.bytes); err != nil {
				return err
			}
			switch {
			case class == "":
				changes[id] = append(changes[id], set)
			case maps[id] == nil:
				maps[id] = map[rail.SeatClass][]byte{class: set.bytes}
			default:
				maps[id][class] = set.bytes
			}
			return nil
		})
	return maps, changes, err
}

// changeSet is what one batch changed.
type changeSet struct {
	version int64
	bytes   []byte
}

// changed are a run's maps with the changes after them.
func changed(train *rail.Train, maps map[rail.SeatClass][]byte, sets []changeSet) map[rail.SeatClass][]byte {
	slices.SortFunc(sets, func(a, b changeSet) int { return cmp.Compare(a.version, b.version) })
	classes := train.Formation.Classes
	decoded := make([]*seatmap.Map, len(classes))
	var failed error
	for i, class := range classes {
		seats := len(train.Formation.Seats(class))
		decoded[i] = seatmap.New(train.Legs(), seats)
		if sold, ok := maps[class]; ok && failed == nil {
			decoded[i], failed = seatmap.Decode(train.Legs(), seats, sold)
		}
	}
	for _, set := range sets {
		if failed == nil {
			failed = seatmap.Replay(decoded, set.bytes)
		}
	}
	now := make(map[rail.SeatClass][]byte, len(classes))
	for i, class := range classes {
		switch {
		case failed != nil:
			now[class] = unreadable
		case maps[class] != nil || decoded[i].SoldLegs() > 0:
			now[class] = decoded[i].Encode()
		}
	}
	return now
}

// recordMaps are the statements that write what a batch of a run changed on its seats: a row of changes, or the whole
// maps where there are none yet, or where the changes have become too long. before and after are runs.changes_bytes.
func (t *transaction) recordMaps(
	s *ledger.BatchState, before int64, changes *ledger.BatchChanges,
) (after int64, statements []statement, err error) {
	id, d := string(s.Run.ID), t.pool.dialect
	switch {
	case len(changes.Seats) == 0:
		return before, nil, nil
	case before >= 0 && before < maxChanges:
		return before + changeRow + int64(len(changes.Seats)),
			d.inserts("INSERT INTO seat_changes", []string{"run_id", "version", "changes"},
				[][]any{{id, s.Version + 1, changes.Seats}}), nil
	}
	maps := changes.Maps()
	if classes := len(s.Run.Train.Formation.Classes); len(maps) != classes {
		// A class that is left out would lose the changes that its map does not have yet.
		return 0, nil, fmt.Errorf("ledger: %d maps for the %d classes of %s", len(maps), classes, id)
	}
	rows := make([][]any, 0, len(maps))
	for class, sold := range maps {
		rows = append(rows, []any{id, string(class), sold})
	}
	// REPLACE is the one way to write a row that may be there which all flavors share.
	statements = d.inserts("REPLACE INTO seat_maps", []string{"run_id", "seat_class", "sold"}, rows)
	return 0, append(statements, statement{text: "DELETE FROM seat_changes WHERE run_id = ?", args: []any{id}}), nil
}

// clearMaps makes every seat of runs free. Their changes_bytes has to become noMaps with it.
func (t *transaction) clearMaps(ctx context.Context, runs []rail.RunID) error {
	for _, table := range []string{"seat_maps", "seat_changes"} {
		if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE run_id IN "+marks(len(runs)), anys(runs)...); err != nil {
			return err
		}
	}
	return nil
}
