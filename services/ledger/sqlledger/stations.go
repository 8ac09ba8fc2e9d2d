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

// PutStations adds stations or changes those with the same code: see publish.Ledger.
func (l *Ledger) PutStations(ctx context.Context, stations []*rail.Station, by string) (int, error) {
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return 0, err
	}
	defer t.end()
	stored, err := t.storedStations(ctx, codesOf(stations))
	if err != nil {
		return 0, definite(err)
	}
	return t.putStations(ctx, publication, "", stations, stored, by)
}

// OtherStations are the stations of some codes that do not belong to a feed: see publish.Ledger.
func (l *Ledger) OtherStations(
	ctx context.Context, feed string, codes []rail.StationCode,
) ([]ledger.OtherStation, error) {
	t, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	stored, err := t.storedStations(ctx, codes)
	if err != nil {
		return nil, definite(err)
	}
	others, err := othersOf(feed, codes, stored)
	return others, definite(err)
}

// PutFeedStations adds or changes the stations of a feed, and leaves those of others alone: see publish.Ledger.
func (l *Ledger) PutFeedStations(
	ctx context.Context, feed string, stations []*rail.Station, others []ledger.OtherStation, by string,
) (int, error) {
	if feed == "" {
		return 0, rail.Refuse(rail.Invalid, "a feed has a name")
	}
	t, publication, err := l.publishing(ctx)
	if err != nil {
		return 0, err
	}
	defer t.end()
	codes := codesOf(stations)
	stored, err := t.storedStations(ctx, codes)
	if err != nil {
		return 0, definite(err)
	}
	now, err := othersOf(feed, codes, stored)
	if err != nil {
		return 0, definite(err)
	}
	if !slices.EqualFunc(now, others, func(a, b ledger.OtherStation) bool {
		return a.Station.Code == b.Station.Code && a.Publication == b.Publication
	}) {
		return 0, rail.Refuse(rail.WrongState, "stations of other feeds were changed meanwhile: import it again")
	}
	own := slices.DeleteFunc(slices.Clone(stations), func(s *rail.Station) bool {
		was, there := stored[s.Code]
		return there && was.feed != feed
	})
	return t.putStations(ctx, publication, feed, own, stored, by)
}

// storedStation is a station's row.
type storedStation struct {
	document    []byte
	publication int64
	feed        string
}

// storedStations reads stations by their codes.
func (t *transaction) storedStations(
	ctx context.Context, codes []rail.StationCode,
) (map[rail.StationCode]storedStation, error) {
	found := make(map[rail.StationCode]storedStation, len(codes))
	for chunk := range slices.Chunk(codes, maxIDs) {
		err := t.rows(ctx, "SELECT code, document, publication, feed FROM stations WHERE code IN "+marks(len(chunk)),
			anys(chunk), func(r *sql.Rows) error {
				var code string
				var s storedStation
				err := r.Scan(&code, &s.document, &s.publication, &s.feed)
				found[rail.StationCode(code)] = s
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// othersOf are the stored stations that do not belong to a feed, in the order of the codes.
func othersOf(
	feed string, codes []rail.StationCode, stored map[rail.StationCode]storedStation,
) ([]ledger.OtherStation, error) {
	var others []ledger.OtherStation
	for _, code := range codes {
		was, there := stored[code]
		if !there || was.feed == feed {
			continue
		}
		station := &rail.Station{}
		if err := json.Unmarshal(was.document, station); err != nil {
			return nil, fmt.Errorf("ledger: the station %s: %w", code, err)
		}
		others = append(others, ledger.OtherStation{Station: station, Feed: was.feed, Publication: was.publication})
	}
	return others, nil
}

// putStations writes those of some stations that differ from what is stored, and commits. A station that is written
// belongs to the feed from then on, or to none where that is "".
func (t *transaction) putStations(
	ctx context.Context, publication publication, feed string, stations []*rail.Station,
	stored map[rail.StationCode]storedStation, by string,
) (int, error) {
	var rows [][]any
	given := make(map[rail.StationCode]bool, len(stations))
	for _, s := range stations {
		// Maps are marshalled in the order of their keys, so that equal stations have equal documents.
		document, err := json.Marshal(s)
		if err != nil {
			return 0, fmt.Errorf("ledger: the station %s: %w", s.Code, err)
		}
		if given[s.Code] {
			return 0, rail.Refuse(rail.Invalid, "the station %s is there twice", s.Code)
		}
		given[s.Code] = true
		if was, there := stored[s.Code]; !there || !bytes.Equal(document, was.document) {
			rows = append(rows, []any{string(s.Code), document, publication.number, feed})
		}
	}
	if len(rows) == 0 {
		return 0, nil
	}
	err := t.insert(ctx, "REPLACE INTO stations", []string{"code", "document", "publication", "feed"}, rows)
	if err != nil {
		return 0, definite(err)
	}
	did := ledger.DidStations
	if feed != "" {
		did = ledger.DidFeedStations
	}
	return len(rows), t.publish(ctx, publication, by, did, "", nil)
}

func codesOf(stations []*rail.Station) []rail.StationCode {
	codes := make([]rail.StationCode, len(stations))
	for i, station := range stations {
		codes[i] = station.Code
	}
	return codes
}
