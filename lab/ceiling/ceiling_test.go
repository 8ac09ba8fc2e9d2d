package ceiling

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/load"
	"interlock/services/seatmap"
)

func newTestWriter(t testing.TB) *Writer {
	d, err := newDatabase()
	require.NoError(t, err)
	w := d.newWriter()
	w.begin(d.newRun())
	return w
}

// TestBuild_RowsAreLikeASales: values that are unlike each other in a sale are so here, since a transaction is
// compressed.
func TestBuild_RowsAreLikeASales(t *testing.T) {
	w := newTestWriter(t)
	const n = 2_000
	require.NoError(t, w.build(n))
	order := regexp.MustCompile(`\('L1@2030-01-01','(L1@2030-01-01/[0-9A-V]{23})','([0-9A-HJKMNP-TV-Z]{12})',` +
		`'(buyer-[0-9]{5})','([0-9a-f]{32})','([\w-]{32})',1,'ON_HOLD','','[0-9a-f]{32}',([0-9]+,[0-9]+),([0-9]+),` +
		`'CNY',[0-9]{13},[0-9]{13},0,2\)`)
	ticket := regexp.MustCompile(`\('L1@2030-01-01','(L1@2030-01-01/[0-9A-V]{23})',0,'(BUSINESS|FIRST|SECOND)',` +
		`([0-9]+),'([0-9]+)','([0-9]+[A-D])',([0-9]+),'CNY','([\w-]{53,80})','lab','([\w-]{32})'\)`)
	orders := order.FindAllStringSubmatch(string(w.text), -1)
	tickets := ticket.FindAllStringSubmatch(string(w.text), -1)
	require.Len(t, orders, n)
	require.Len(t, tickets, n)
	different := func(rows [][]string, column int) int {
		seen := map[string]bool{}
		for _, row := range rows {
			seen[row[column]] = true
		}
		return len(seen)
	}
	for _, column := range []int{1, 2, 4, 5} {
		require.Equal(t, n, different(orders, column),
			"no two orders have one id, number, key or hash: column %d", column)
	}
	for _, column := range []int{1, 7, 8} {
		require.Equal(t, n, different(tickets, column),
			"no two tickets have one order, passenger or digest: column %d", column)
	}
	require.Greater(t, different(orders, 3), 500, "many buyers")
	require.Greater(t, different(orders, 6), 500, "many pairs of calls")
	for i := range orders {
		require.Equal(t, orders[i][1], tickets[i][1])
		require.Equal(t, orders[i][7], tickets[i][6], "one price")
		require.NotEqual(t, orders[i][5], tickets[i][8])
	}
	outbox := regexp.MustCompile(`; INSERT INTO outbox \(id, at, events\) VALUES \('L1@2030-01-01/0000000002',` +
		regexp.QuoteMeta(nowText) + `,_binary'((o\x01\\r[0-9A-V]{13})+)'\); COMMIT$`).FindStringSubmatch(string(w.text))
	require.NotEmpty(t, outbox, "one row for all, and last")
	events := strings.Split(strings.TrimPrefix(outbox[1], "o\x01\\r"), "o\x01\\r")
	require.Len(t, events, n)
	for i := range orders {
		require.True(t, strings.HasSuffix(orders[i][1], "0000000002"+events[i]))
	}
	require.Equal(t, 3, strings.Count(string(w.text), "INSERT INTO orders"), "at most 888 rows each")
	require.Equal(t, 2, strings.Count(string(w.text), "INSERT INTO tickets"), "at most 1,333 rows each")
}

// TestBuild_SeatsAreThoseThatWereSold: the maps in the database with the changes after them are what is sold.
func TestBuild_SeatsAreThoseThatWereSold(t *testing.T) {
	w := newTestWriter(t)
	written := newMaps()
	changes := regexp.MustCompile(`INSERT INTO seat_changes \(run_id, version, changes\) VALUES \('L1@2030-01-01',` +
		`[0-9]+,x'([0-9a-f]+)'\)`)
	maps := regexp.MustCompile(`\('L1@2030-01-01','(BUSINESS|FIRST|SECOND)',x'([0-9a-f]+)'\)`)
	whole := 0
	for batch := range 30 {
		require.NoError(t, w.build(500))
		text := string(w.text)
		if strings.Contains(text, "REPLACE INTO seat_maps") {
			whole++
			require.Contains(t, text, "; DELETE FROM seat_changes WHERE run_id = 'L1@2030-01-01'; ")
			require.Contains(t, text, "changes_bytes = 0 WHERE")
			found := maps.FindAllStringSubmatch(text, -1)
			require.Len(t, found, len(load.Classes))
			for i := range found {
				bytes, err := hex.DecodeString(found[i][2])
				require.NoError(t, err)
				written[i], err = seatmap.Decode(load.Calls-1, load.SeatsPerClass, bytes)
				require.NoError(t, err)
			}
		} else {
			require.Positive(t, batch, "the first sale writes the maps")
			bytes, err := hex.DecodeString(changes.FindStringSubmatch(text)[1])
			require.NoError(t, err)
			require.NoError(t, seatmap.Replay(written[:], bytes))
		}
		for i := range written {
			require.Equal(t, w.maps[i].Encode(), written[i].Encode())
		}
	}
	require.Equal(t, 4, whole, "at first, and then after each 16 KiB of changes")
}

func TestSeason_IsUntilTheLoadMovesOn(t *testing.T) {
	w := newTestWriter(t)
	legs := 0
	for _, p := range w.database.season {
		legs += p.To - p.From
	}
	require.InDelta(t, 0.7, float64(legs)/float64(len(load.Classes)*load.SeatsPerClass*(load.Calls-1)), 0.001)
}

// BenchmarkBuild is what an order's text costs, which must be little beside what the database does with it.
func BenchmarkBuild(b *testing.B) {
	w := newTestWriter(b)
	const n = 1_000
	for b.Loop() {
		if len(w.left) < n {
			w.begin(w.database.newRun())
		}
		if err := w.build(n); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/order")
}
