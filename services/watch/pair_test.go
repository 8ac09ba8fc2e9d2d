package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// What a snapshot tells those of a pair who have had version 5, and whether it leaves the event waiting.
func TestPair_News(t *testing.T) {
	now := time.Date(2019, 10, 12, 9, 0, 0, 0, time.UTC)
	long, short := now.Add(-statusGrace), now.Add(-statusGrace+1)
	for name, c := range map[string]struct {
		known       bool
		version     int64
		statusMoved bool
		heldSince   time.Time
		news        news
		held        time.Time
	}{
		"not known":                 {known: false, version: 6, news: nothingNewer},
		"not known, one waits":      {known: false, version: 6, heldSince: short, news: nothingNewer},
		"not known, another status": {known: false, version: 6, statusMoved: true, news: nothingNewer},
		"older":                     {known: true, version: 4, news: nothingNewer},
		"the same":                  {known: true, version: 5, news: nothingNewer},
		"the same, another status": {
			known: true, version: 5, statusMoved: true, heldSince: short,
			news: nothingNewer,
		},
		"later":                      {known: true, version: 6, news: newer},
		"later, the status has come": {known: true, version: 6, heldSince: short, news: newer},
		"later, another status":      {known: true, version: 6, statusMoved: true, news: waiting, held: now},
		"later, another status for a bit": {
			known: true, version: 6, statusMoved: true, heldSince: short,
			news: waiting, held: short,
		},
		"later, another status for a long": {
			known: true, version: 6, statusMoved: true, heldSince: long, news: newer,
			held: long,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pair{version: 5, heldSince: c.heldSince}
			snapshot := &rail.Snapshot{Left: rail.Left{Known: c.known, Version: c.version}}
			require.Equal(t, c.news, p.news(snapshot, c.statusMoved, now))
			require.Equal(t, c.held, p.heldSince)
		})
	}
}
