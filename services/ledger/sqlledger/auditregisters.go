package sqlledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Registers are the tables beside the runs and their orders, as they are written, for an audit.

// trainPage is how many trains or formations an audit reads at once: a train's document is some kilobytes, a
// formation's tens.
const trainPage = 200

// Trains are all rows of trains in the order of their ids, each read anew; an error is the last thing.
func (l *Ledger) Trains(ctx context.Context) iter.Seq2[ledger.WrittenTrain, error] {
	return paged(ctx, l, "", func(t *transaction, after string) ([]ledger.WrittenTrain, error) {
		return l.readTrains(ctx, t.conn, t.pool, "id > ? ORDER BY id LIMIT ?", after, trainPage)
	}, func(w ledger.WrittenTrain) string { return w.ID })
}

// Formations are all rows of formations, as Trains are of trains.
func (l *Ledger) Formations(ctx context.Context) iter.Seq2[ledger.WrittenFormation, error] {
	return paged(ctx, l, "", func(t *transaction, after string) ([]ledger.WrittenFormation, error) {
		return readFormations(ctx, t.conn, t.pool, "id > ? ORDER BY id LIMIT ?", after, trainPage)
	}, func(w ledger.WrittenFormation) string { return w.ID })
}

// StationRows are all rows of stations.
func (l *Ledger) StationRows(ctx context.Context) ([]ledger.WrittenStation, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	var stations []ledger.WrittenStation
	err = t.rows(ctx, "SELECT s.code, s.document, s.publication, s.feed, COALESCE(p.what, '') FROM stations s LEFT "+
		"JOIN publications p ON p.number = s.publication "+
		"ORDER BY s.code", nil, func(r *sql.Rows) error {
		var w ledger.WrittenStation
		var document []byte
		if err := r.Scan(&w.Code, &document, &w.Publication, &w.Feed, &w.Did); err != nil {
			return err
		}
		station := &rail.Station{}
		if w.Problem = json.Unmarshal(document, station); w.Problem == nil {
			w.Station = station
		}
		stations = append(stations, w)
		return nil
	})
	return stations, definite(err)
}

// publicationPage is how many publications an audit reads at once: one of a whole timetable names tens of thousands of
// runs.
const publicationPage = 20

// Publications are all rows of publications in the order of their numbers, each held against its runs at one moment; an
// error is the last thing.
func (l *Ledger) Publications(ctx context.Context) iter.Seq2[ledger.WrittenPublication, error] {
	return paged(ctx, l, math.MinInt64, func(t *transaction, after int64) ([]ledger.WrittenPublication, error) {
		return t.publications(ctx, after)
	}, func(w ledger.WrittenPublication) int64 { return w.Number })
}

func (t *transaction) publications(ctx context.Context, after int64) ([]ledger.WrittenPublication, error) {
	now, err := t.clock(ctx)
	if err != nil {
		return nil, err
	}
	var all []ledger.WrittenPublication
	var named [][]string
	err = t.rows(ctx, "SELECT number, at, what, runs, (SELECT COUNT(*) FROM runs r WHERE r.publication = number) "+
		"FROM publications WHERE number > ? "+
		"ORDER BY number LIMIT ?", []any{after, publicationPage}, func(r *sql.Rows) error {
		w := ledger.WrittenPublication{Now: now}
		var at int64
		var runs []byte
		err := r.Scan(&w.Number, &at, &w.Did, &runs, &w.Claimed)
		w.At = fromMillis(at)
		ids := strings.Split(string(runs), "\n")
		named = append(named, slices.DeleteFunc(ids, func(id string) bool { return id == "" }))
		all = append(all, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := t.namedRuns(ctx, &all[i], named[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// namedRuns says what the runs that a publication names say of it.
func (t *transaction) namedRuns(ctx context.Context, w *ledger.WrittenPublication, ids []string) error {
	w.Runs = len(ids)
	for chunk := range slices.Chunk(ids, maxIDs) {
		numbers := make(map[string]int64, len(chunk))
		err := t.rows(ctx, "SELECT id, publication FROM runs WHERE id IN "+marks(len(chunk)), anys(chunk),
			func(r *sql.Rows) error {
				var id string
				var number int64
				err := r.Scan(&id, &number)
				numbers[id] = number
				return err
			})
		if err != nil {
			return err
		}
		for _, id := range chunk {
			number, there := numbers[id]
			switch {
			case !there:
				w.Unknown = named(w.Unknown, id)
			case number < w.Number:
				w.Behind = named(w.Behind, id)
			case number == w.Number:
				w.Last++
			}
		}
	}
	return nil
}

// named adds a run to some that are named, unless there are enough.
func named(some []rail.RunID, id string) []rail.RunID {
	if len(some) < ledger.MaxNamed {
		some = append(some, rail.RunID(id))
	}
	return some
}

// paged reads page after page, each at one moment, until one has nothing.
func paged[T any, K cmp.Ordered](
	ctx context.Context, l *Ledger, after K, read func(t *transaction, after K) ([]T, error), key func(T) K,
) iter.Seq2[T, error] {
	one := func(after K) ([]T, error) {
		t, err := l.snapshot(ctx)
		if err != nil {
			return nil, err
		}
		defer t.end()
		page, err := read(t, after)
		return page, definite(err)
	}
	return func(yield func(T, error) bool) {
		for {
			page, err := one(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page {
				after = key(item)
				if !yield(item, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

// maxStrays is how many runs of a table are named that there are not: they have one cause.
const maxStrays = 100

// Strays are rows of runs that there are not, besides orders and tickets: see AuditSnapshots. At most maxStrays runs of
// each table.
func (l *Ledger) Strays(ctx context.Context) ([]ledger.Stray, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	var strays []ledger.Stray
	for _, table := range []string{"seat_maps", "seat_changes", "asked_documents", "refunds", "changes"} {
		err := t.rows(ctx, "SELECT DISTINCT s.run_id FROM "+table+
			" s WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = s.run_id) LIMIT ?", []any{maxStrays},
			func(r *sql.Rows) error {
				stray := ledger.Stray{Table: table}
				err := r.Scan(&stray.RunID)
				strays = append(strays, stray)
				return err
			})
		if err != nil {
			return nil, definite(err)
		}
	}
	return strays, nil
}

// Asked counts the rows of asked_documents that are not as they should be. slack is how much later than now a time may
// be, and how long a row may outlive its day.
func (l *Ledger) Asked(ctx context.Context, slack time.Duration) (asked ledger.WrittenAsked, err error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return asked, err
	}
	defer t.end()
	now := t.pool.dialect.now()
	err = t.rows(ctx, "SELECT COUNT(CASE WHEN buyer = '' OR document = '' THEN 1 END), COUNT(CASE WHEN at > "+
		now+" + ? THEN 1 END), "+
		"COUNT(CASE WHEN at < "+now+" - ? THEN 1 END) FROM asked_documents",
		[]any{slack.Milliseconds(), (ledger.BuyerDay + slack).Milliseconds()},
		func(r *sql.Rows) error { return r.Scan(&asked.Nameless, &asked.Ahead, &asked.Old) })
	return asked, definite(err)
}

// maxRecords is how many such rows are named. They have one cause.
const maxRecords = 100

// Records are rows of what admins did to orders that are not as they should be, at most maxRecords. Their order does
// not exist or has not come to their version, their admin is missing, their action is unknown, or their time is later
// than now and slack.
func (l *Ledger) Records(ctx context.Context, slack time.Duration) ([]ledger.WrittenRecord, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	now, err := t.clock(ctx)
	if err != nil {
		return nil, definite(err)
	}
	var records []ledger.WrittenRecord
	err = t.rows(ctx, "SELECT c.run_id, c.order_id, c.version, c.at, c.what, COALESCE(o.version, 0) FROM "+
		"order_records c "+
		"LEFT JOIN orders o ON o.run_id = c.run_id AND o.id = c.order_id WHERE o.id IS NULL OR c.version < 2 OR "+
		"c.version > o.version OR c.who = '' "+
		"OR c.at > ? OR c.what NOT IN ('"+didCancel+"', '"+didCorrect+
		"', '"+ledger.WhatRefund+"', '"+ledger.WhatChange+"') ORDER BY c.run_id, c.order_id, c.version LIMIT ?",
		[]any{now.Add(slack).UnixMilli(), maxRecords}, func(r *sql.Rows) error {
			w := ledger.WrittenRecord{Now: now}
			var at int64
			err := r.Scan(&w.RunID, &w.OrderID, &w.Version, &at, &w.What, &w.OrderVersion)
			w.At = fromMillis(at)
			records = append(records, w)
			return err
		})
	return records, definite(err)
}

// NotedKeys are the ids of all keys that passengers were ever sealed with, as they are noted.
func (l *Ledger) NotedKeys(ctx context.Context) ([]string, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	var ids []string
	err = t.rows(ctx, "SELECT id FROM personal_keys", nil, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, definite(err)
}

// Cluster is what the ledger says of its own cluster.
func (l *Ledger) Cluster(ctx context.Context) (*ledger.WrittenCluster, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	c := &ledger.WrittenCluster{}
	if c.Now, err = t.clock(ctx); err != nil {
		return nil, definite(err)
	}
	err = t.rows(ctx, "SELECT id, epoch, primary_member, opened_at FROM cluster ORDER BY id LIMIT ?", []any{maxMembers},
		func(r *sql.Rows) error {
			var id, epoch, opened int64
			var primary string
			err := r.Scan(&id, &epoch, &primary, &opened)
			if c.Rows++; id == 1 {
				c.Epoch, c.Primary, c.OpenedAt = epoch, primary, fromMillis(opened)
			}
			return err
		})
	if err != nil {
		return nil, definite(err)
	}
	err = t.rows(ctx, "SELECT member, state, server_uuid, since FROM cluster_members ORDER BY member", nil,
		func(r *sql.Rows) error {
			var m ledger.WrittenMember
			var since int64
			err := r.Scan(&m.Member, &m.State, &m.Server, &since)
			m.Since = fromMillis(since)
			c.Members = append(c.Members, m)
			return err
		})
	return c, definite(err)
}
