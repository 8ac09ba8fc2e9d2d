package ledgertest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

func station(code, name string) *rail.Station {
	return &rail.Station{Code: rail.StationCode(code), Name: name, TimeZone: "UTC"}
}

// others are the stations of some codes that are not a feed's.
func others(t *testing.T, l *sqlledger.Ledger, feed string, stations ...*rail.Station) []ledger.OtherStation {
	t.Helper()
	codes := make([]rail.StationCode, len(stations))
	for i, s := range stations {
		codes[i] = s.Code
	}
	found, err := l.OtherStations(t.Context(), feed, codes)
	require.NoError(t, err)
	return found
}

// stationsOfFeeds puts stations for two feeds and by hand. Each feed keeps its own, and a person takes them.
func stationsOfFeeds(t *testing.T, s *suite) {
	l := s.open(t)
	put := func(t *testing.T, feed string, stations ...*rail.Station) int {
		t.Helper()
		if feed == "" {
			changed, err := l.PutStations(t.Context(), stations, "mei")
			require.NoError(t, err)
			return changed
		}
		changed, err := l.PutFeedStations(t.Context(), feed, stations, others(t, l, feed, stations...), "import")
		require.NoError(t, err)
		return changed
	}
	_, err := l.PutFeedStations(t.Context(), "", []*rail.Station{station("1", "Alpha")}, nil, "import")
	require.Equal(t, rail.Invalid, rail.CodeOf(err))
	for _, test := range []struct {
		name          string
		first, second string
		differs       bool
		changed       int
		owner         string
	}{
		{"the same feed again", east.Name, east.Name, false, 0, east.Name},
		{"the same feed differs", east.Name, east.Name, true, 1, east.Name},
		{"another feed has the same", east.Name, west.Name, false, 0, east.Name},
		{"another feed differs", east.Name, west.Name, true, 0, east.Name},
		{"a person publishes the same", east.Name, "", false, 0, east.Name},
		{"a person publishes another", east.Name, "", true, 1, ""},
		{"a feed has what a person published", "", east.Name, false, 0, ""},
		{"a feed differs from a person", "", east.Name, true, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.empty(t)
			first, second := station("1", "Alpha"), station("1", "Alpha")
			if test.differs {
				second.Name = "Omega"
			}
			require.Equal(t, 1, put(t, test.first, first))
			require.Equal(t, test.changed, put(t, test.second, second))
			require.EqualValues(t, 1+test.changed, publicationNumber(t, l))
			stands := first
			if test.changed > 0 {
				stands = second
			}
			require.Equal(t, []ledger.OtherStation{{
				Station: stands, Feed: test.owner, Publication: publicationNumber(t, l),
			}}, others(t, l, "a third feed", second))

			// Beside a station of another, a feed's own ones are written.
			require.Equal(t, 2, put(t, "a third feed", station("2", "Beta"), second, station("1 ", "Alpha")))
			require.Equal(t, 2, s.count(t, "SELECT COUNT(*) FROM stations WHERE feed = 'a third feed'"))
			require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM stations WHERE code = '1' AND feed = ?", test.owner))
			require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM publications WHERE what = 'FEED_STATIONS' AND "+
				"number = (SELECT publication FROM stations WHERE code = '2')"))
		})
	}

	s.empty(t)
	twice := []*rail.Station{station("1", "Alpha"), station("1", "Alpha")}
	_, err = l.PutFeedStations(t.Context(), east.Name, twice, nil, "import")
	require.Equal(t, rail.Invalid, rail.CodeOf(err))

	// What was not so when the feed asked is not written.
	mine, wanted := station("1", "Alpha"), []*rail.Station{station("1", "Omega"), station("2", "Beta")}
	for name, meanwhile := range map[string]func(t *testing.T){
		"another feed has put it":     func(t *testing.T) { put(t, west.Name, mine) },
		"the other feed has moved it": func(t *testing.T) { put(t, west.Name, station("1", "Gamma")) },
		"a person has taken it":       func(t *testing.T) { put(t, "", mine) },
	} {
		t.Run(name, func(t *testing.T) {
			s.empty(t)
			switch name {
			case "the other feed has moved it":
				put(t, west.Name, mine)
			case "a person has taken it":
				put(t, east.Name, station("1", "Delta"))
			}
			seen := others(t, l, east.Name, wanted...)
			meanwhile(t)
			number := publicationNumber(t, l)
			_, err := l.PutFeedStations(t.Context(), east.Name, wanted, seen, "import")
			require.Equal(t, rail.WrongState, rail.CodeOf(err))
			require.Contains(t, err.Error(), "import it again")
			require.Equal(t, number, publicationNumber(t, l))
			require.Equal(t, 0, s.count(t, "SELECT COUNT(*) FROM stations WHERE code = '2'"))
			put(t, east.Name, wanted...)
			require.Equal(t, 1, s.count(t, "SELECT COUNT(*) FROM stations WHERE code = '2'"))
		})
	}
}

// stationsOfTwoFeedsAtOnce imports the same codes from two feeds at once, again and again. Each station is one feed's,
// as that feed has it.
func stationsOfTwoFeedsAtOnce(t *testing.T, s *suite) {
	l := s.open(t)
	const count, editions = 100, 3
	var all sync.WaitGroup
	for _, feed := range []string{east.Name, west.Name} {
		all.Go(func() {
			for edition := range editions {
				var stations []*rail.Station
				var codes []rail.StationCode
				for n := range count {
					stations = append(stations, station(fmt.Sprint(n), fmt.Sprint(feed, edition)))
					codes = append(codes, stations[n].Code)
				}
				for {
					seen, err := l.OtherStations(t.Context(), feed, codes)
					if err == nil {
						_, err = l.PutFeedStations(t.Context(), feed, stations, seen, "import")
					}
					if err == nil {
						break
					}
					if code := rail.CodeOf(err); code != rail.WrongState && code != rail.Unavailable {
						t.Errorf("%v", err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	rows, err := l.StationRows(t.Context())
	require.NoError(t, err)
	require.Len(t, rows, count)
	for _, row := range rows {
		require.Equal(t, fmt.Sprint(row.Feed, editions-1), row.Station.Name)
	}
	require.EqualValues(t, editions, publicationNumber(t, l), "the other feed never wrote")
}
