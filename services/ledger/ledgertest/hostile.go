package ledgertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// hostile are texts that end, escape, comment out or turn into something else, where a text is read otherwise than it
// was written. Some are broken UTF-8, which nothing lets in; a ledger must keep it byte for byte or refuse it all the
// same.
var hostile = []string{
	`'`, `"`, "`", `\`, `\\`, `\'`, `\"`, `\\'`, `''`, `'\`, `\0`, `\n`, `\Z`, `\%`,
	// in UTF-8: c2 81 27, c2 bf 27, c2 bf 5c
	"\x00", "a\x00'b", "\x1a", "\r\n", "\t", "\x7f", "\u0081'", "\u00bf'", "\u00bf\\",
	"李'", `李\`, `李\'`, "縗'", "ソ", "表'", "ｱ'", "李',0x44,NULL);#",
	`';DROP TABLE tickets;-- x`, `' OR 1=1 #`, `',0,0);COMMIT;#`, "/*", "*/", "/*!50000 '*/", "-- x", "--", "#", ";",
	"?", "??", ":name", "@@version", "$1", "%00", "%27", "%s", "%_", "{T12}", "NULL", "0", "0x27", "_binary'x'",
	"key", "key ", " key", "Key", "kéy", "ke\u0301y", "", " ",
	"😀'", "👩\u200d👩\u200d👧", "\U0010ffff", "\ufffd", "\ufeff", "\u2028", "\u202ekey", "\u00a0", "\u3000",
	"\xbf\x27", "\xbf\x5c", "\x81\x27", "\xe6\x27", "Li\xff", "\xc0\xa7", "\xed\xa0\x80", "\xf4\x90\x80\x80", "李\xe6",
}

// aside are the rows of another run than the one that texts are written to, as the database prints them.
func (s *suite) aside(t *testing.T, run rail.RunID) (rows map[string]string) {
	t.Helper()
	rows = map[string]string{}
	for table, column := range map[string]string{
		"runs": "id", "orders": "run_id", "tickets": "run_id", "seat_maps": "run_id", "seat_changes": "run_id",
	} {
		rows[table] = s.printed(t, "SELECT * FROM "+table+" WHERE "+column+" = ?", string(run))
	}
	return rows
}

// printed is all that a query finds, in all its columns.
func (s *suite) printed(t *testing.T, query string, args ...any) string {
	t.Helper()
	found, err := s.db.QueryContext(t.Context(), query, args...)
	require.NoError(t, err)
	defer found.Close()
	columns, err := found.Columns()
	require.NoError(t, err)
	var all []string
	for found.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		require.NoError(t, found.Scan(into...))
		all = append(all, fmt.Sprintf("%q", row))
	}
	require.NoError(t, found.Err())
	return strings.Join(all, "\n")
}

// rows counts the rows of the tables that grow.
func (s *suite) rows(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, table := range []string{"orders", "tickets", "runs", "stations", "publications"} {
		n[table] = s.count(t, "SELECT COUNT(*) FROM "+table)
	}
	return n
}

// hostileOrders writes each text into every column of an order and its ticket that buyers and identities fill. It asks
// for the text, and pays and cancels with it. What was asked for must have happened, and nothing else.
func hostileOrders(t *testing.T, s *suite) {
	l, c, quiet := s.published(t)
	bystander := c.place(quiet, one("bystander"))
	_, _, err := Pay(t.Context(), l, quiet, bystander.ID, "bystander", "pay0001")
	require.NoError(t, err)
	run := NewRun(newTrain("L1", len(hostile)+1), day)
	publish(t, l, run)
	before := s.aside(t, quiet)

	for _, text := range hostile {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			count := s.rows(t)
			place := func(key string, paid bool) *rail.Order {
				r := request{
					buyer: text, key: key, from: 0, to: 3, class: rail.Second,
					documents: []string{"#" + text + key},
				}
				var o outcome
				decide := c.decide(&o, r)
				_, err := l.Sell(t.Context(), batch(run.ID, r),
					func(state *ledger.BatchState) (ledger.BatchChanges, error) {
						changes, err := decide(state)
						if err == nil && len(changes.Orders) > 0 {
							n := &changes.Orders[0]
							n.BodyHash = "#" + text
							n.Order.Tickets[0].Passenger = rail.Passenger{Name: text, DocumentNumber: text}
							if paid {
								n.Order.Number = text
							}
						}
						return changes, err
					})
				if err != nil {
					require.False(t, validText(text), "%v", err)
					require.NotErrorIs(t, err, ledger.ErrInDoubt)
					return nil
				}
				return o.orders[0]
			}
			placed := place(text, true)
			if placed == nil {
				require.Equal(t, count, s.rows(t), "what was refused was not written")
				require.Equal(t, before, s.aside(t, quiet))
				return
			}
			require.Equal(t, placed, read(t, l, placed.ID))
			byNumber, err := l.OrderByNumber(t.Context(), text)
			require.NoError(t, err)
			require.Equal(t, placed, byNumber)
			require.Equal(t, placed, place(text, true), "the same key is the same order")
			_, err = l.Sell(t.Context(), ledger.Batch{RunID: run.ID},
				func(state *ledger.BatchState) (ledger.BatchChanges, error) {
					mine := ledger.OrderKey{Buyer: text, Key: text}
					found, err := state.Find([]ledger.OrderKey{mine})
					require.Equal(t,
						map[ledger.OrderKey]ledger.Replay{mine: {Order: placed, BodyHash: "#" + text}}, found)
					return ledger.BatchChanges{}, err
				})
			require.NoError(t, err)

			paid, ok, err := Pay(t.Context(), l, run.ID, placed.ID, text, paymentOf(text))
			require.NoError(t, err)
			require.True(t, ok)
			_, ok, err = Pay(t.Context(), l, run.ID, placed.ID, text, paymentOf(text))
			require.NoError(t, err)
			require.True(t, ok, "the same payment is the same")
			_, ok, err = Pay(t.Context(), l, run.ID, placed.ID, text, paymentOf("another "+text))
			require.NoError(t, err)
			require.False(t, ok)
			for _, id := range []string{bystander.ID, string(run.ID) + "/" + text, text} {
				_, _, err = Pay(t.Context(), l, run.ID, id, text, paymentOf(text))
				requireCode(t, rail.NotFound, err)
			}

			other := place("2"+text, false)
			_, _, err = c.sell(t.Context(), ledger.Batch{RunID: run.ID, Cancels: []ledger.Cancel{
				{OrderID: other.ID, Buyer: text},
				{OrderID: bystander.ID, Buyer: text},
				{OrderID: string(run.ID) + "/" + text, Buyer: text},
			}})
			require.NoError(t, err)
			require.Equal(t, rail.Cancelled, read(t, l, other.ID).State)
			if text != "" { // which is no filter
				orders, err := l.Orders(t.Context(), ledger.OrderFilter{Buyer: text, Limit: 100})
				require.NoError(t, err)
				require.Len(t, orders, 2)
				orders, err = l.Orders(t.Context(),
					ledger.OrderFilter{Buyer: text, RunID: run.ID, Number: text, Limit: 100})
				require.NoError(t, err)
				require.Equal(t, []*rail.Order{paid}, orders)
			}
			orders, err := l.Orders(t.Context(), ledger.OrderFilter{RunID: rail.RunID("T12" + text), Limit: 100})
			require.NoError(t, err)
			require.Empty(t, orders)

			count["orders"], count["tickets"] = count["orders"]+2, count["tickets"]+2
			require.Equal(t, count, s.rows(t))
			require.Equal(t, before, s.aside(t, quiet))
		})
	}
	RequireSold(t, l)
}

// hostilePublications writes each text where a railway's admins and feeds have a hand in: their names, reasons,
// stations, trains, coaches and seats.
func hostilePublications(t *testing.T, s *suite) {
	l, c, quiet := s.published(t)
	c.place(quiet, one("bystander"))
	before := s.aside(t, quiet)
	var stations []*rail.Station
	for i, text := range hostile {
		if !validText(text) {
			continue // a document would not keep it: JSON is UTF-8
		}
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			train := NewTrain(fmt.Sprint("L", i))
			if id := rail.NewRunID(text, day); id.Valid() {
				train = NewTrain(text)
			}
			label := string([]rune(text)[:min(len([]rune(text)), 8)]) // as wide as its column
			train.Formation.Coaches[0].Number = label
			train.Formation.Coaches[0].Seats[0].Label = label
			calls := append([]rail.Call{}, train.Calls...)
			calls[0].Station, calls[3].Station = rail.StationCode(text), rail.StationCode("to "+text)
			train = rail.NewTrain(train.Number, text, "Asia/Shanghai", calls,
				rail.NewFormation(train.Formation.Coaches), train.Fares)
			run := NewRun(train, day)
			run.Reason = text
			_, err := l.Publish(t.Context(), []*rail.Run{run}, text, false)
			require.NoError(t, err)
			got, err := s.open(t).Train(t.Context(), train.ID) // the one that published it may have kept it
			require.NoError(t, err)
			require.Equal(t, train, got)

			placed := c.place(run.ID, one(text))
			require.Equal(t, label, placed.Tickets[0].Coach)
			require.Equal(t, label, placed.Tickets[0].Seat)
			require.Equal(t, placed, read(t, l, placed.ID))

			_, err = l.SetStatus(t.Context(), run.ID, rail.Suspended, text, text)
			require.NoError(t, err)
			require.Equal(t, 1, s.count(t,
				"SELECT COUNT(*) FROM runs WHERE id = ? AND reason = ?", string(run.ID), text))
			_, _, err = l.Withdraw(t.Context(), run.ID, text, text, true)
			require.NoError(t, err)
			require.Equal(t, text, read(t, l, placed.ID).StateReason)
			require.GreaterOrEqual(t, s.count(t,
				"SELECT COUNT(*) FROM publications WHERE who = ? AND reason = ?", text, text), 2)

			station := &rail.Station{
				Code: rail.StationCode(text), Name: text, TimeZone: "Asia/Shanghai",
				Names: map[string]string{"en": text},
			}
			_, err = l.PutStations(t.Context(), []*rail.Station{station}, text)
			require.NoError(t, err)
			stations = append(stations, station)
			require.Equal(t, before, s.aside(t, quiet))
		})
	}
	changes, err := l.Changes(t.Context(), 0)
	require.NoError(t, err)
	kept := map[rail.StationCode]*rail.Station{}
	for _, station := range changes.Stations {
		kept[station.Code] = station
	}
	want := map[rail.StationCode]*rail.Station{}
	for _, station := range stations {
		want[station.Code] = station
	}
	require.True(t, maps.EqualFunc(want, kept, func(a, b *rail.Station) bool {
		return a.Name == b.Name &&
			a.Names["en"] == b.Names["en"]
	}))
	require.Len(t, want, len(stations), "no two texts are one code")
	RequireSold(t, l)
}

// paymentOf is the id of a payment.
func paymentOf(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:])
}

func validText(text string) bool { return strings.ToValidUTF8(text, "") == text }

// RequireSold requires that verify finds nothing wrong with what was sold: with seats, tickets, money, documents and
// versions. What it says of the rest is true of tests: their trains have left, and their stations are not there.
func RequireSold(t testing.TB, l *sqlledger.Ledger) {
	t.Helper()
	report, err := (&audit.Auditor{Ledger: l}).Verify(t.Context())
	require.NoError(t, err)
	for _, defect := range report.Defects {
		switch defect.Check {
		case audit.CheckOverlap, audit.CheckTicket, audit.CheckMap, audit.CheckCapacity,
			audit.CheckPersonal, audit.CheckMoney,
			audit.CheckDocument, audit.CheckVersion, audit.CheckOrphan:
			require.Fail(t, "what was sold is wrong", "%+v", defect)
		}
	}
	require.Positive(t, report.Tickets)
}
