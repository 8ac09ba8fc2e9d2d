package sqlledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Stations are all stations.
func (l *Ledger) Stations(ctx context.Context) ([]*rail.Station, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	stations, err := readStations(ctx, p.background.sql, p.background, 0)
	return stations, l.failed(p, err)
}

// readStations reads the stations that were published after a publication number.
func readStations(ctx context.Context, on mysqlcluster.Querier, p *pool, after int64) ([]*rail.Station, error) {
	stations := []*rail.Station{}
	err := mysqlcluster.EachRow(ctx, on, p.statement,
		"SELECT document FROM stations WHERE publication > ? ORDER BY code", []any{after},
		func(r *sql.Rows) error {
			var document []byte
			if err := r.Scan(&document); err != nil {
				return err
			}
			station := &rail.Station{}
			stations = append(stations, station)
			return json.Unmarshal(document, station)
		})
	return stations, err
}

// PutStations adds stations or changes those with the same code; equal ones stay as they are.
func (l *Ledger) PutStations(ctx context.Context, stations []*rail.Station, by string) (int, error) {
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return 0, err
	}
	defer t.end()
	changed, err := t.putStations(ctx, stations, publication.number)
	if err != nil || changed == 0 {
		return 0, definite(err)
	}
	if err := t.publish(ctx, publication, by, ledger.DidStations, "", nil); err != nil {
		return 0, err
	}
	return changed, nil
}

func (t *transaction) putStations(ctx context.Context, stations []*rail.Station, number int64) (int, error) {
	wanted := map[string][]byte{}
	var codes []string
	for _, s := range stations {
		// Maps are marshalled in the order of their keys, so that equal stations have equal documents.
		document, err := json.Marshal(s)
		if err != nil {
			return 0, fmt.Errorf("ledger: the station %s: %w", s.Code, err)
		}
		code := string(s.Code)
		if _, double := wanted[code]; double {
			return 0, rail.Refuse(rail.Invalid, "the station %s is there twice", s.Code)
		}
		wanted[code] = document
		codes = append(codes, code)
	}
	for chunk := range slices.Chunk(codes, maxIDs) {
		err := t.rows(ctx, "SELECT code, document FROM stations WHERE code IN "+marks(len(chunk)), anys(chunk),
			func(r *sql.Rows) error {
				var code string
				var document []byte
				if err := r.Scan(&code, &document); err != nil {
					return err
				}
				if bytes.Equal(document, wanted[code]) {
					delete(wanted, code)
				}
				return nil
			})
		if err != nil {
			return 0, err
		}
	}
	var rows [][]any
	for _, code := range codes {
		if document, ok := wanted[code]; ok {
			rows = append(rows, []any{code, document, number})
		}
	}
	return len(rows), t.insert(ctx, "REPLACE INTO stations", []string{"code", "document", "publication"}, rows)
}
