package ceiling

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"interlock/lab/load"
	"interlock/services/seatmap"
)

const (
	// commitTimeout bounds one transaction: the largest of the sweep takes a second on a busy machine.
	commitTimeout = 30 * time.Second
	// trainID is as long as the ledger's.
	trainID = "3b2e7c1d9a8f4e6b5c0d1a2f3e4b5c6d"
	// nowText is the primary's clock, as the ledger asks for it.
	nowText = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
)

// The ledger's: when the whole maps are written, what a row of changes counts for besides its bytes, and what a run's
// changes_bytes is before the first sale.
const (
	maxChanges = 16 << 10
	changeRow  = 16
	noMaps     = -1
)

// Writer writes transactions of orders on one connection and into one run at a time. Each writer has runs of its own,
// so that no two wait for one row.
type Writer struct {
	database *Database
	conn     *sql.Conn
	random   *rand.Rand

	run     string
	version int64
	// left are the places that are still to be sold of the run, maps what is sold.
	left []place
	maps [len(load.Classes)]*seatmap.Map
	// changesBytes is how much of what is sold is not in the maps in the database.
	changesBytes int

	// The transaction's statements, each one or several in one text.
	seats, orders, tickets, outbox, text []byte
	changes                              []byte
	// passenger is the next one's name and document number.
	passenger []byte
}

// NewWriter makes a run and a writer for it.
func (d *Database) NewWriter(ctx context.Context) (*Writer, error) {
	w := d.newWriter()
	var err error
	if w.conn, err = d.db.Conn(ctx); err != nil {
		return nil, err
	}
	return w, w.moveOn(ctx)
}

func (d *Database) newWriter() *Writer {
	return &Writer{database: d, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
}

// Close gives the connection back.
func (w *Writer) Close() error { return w.conn.Close() }

func (w *Writer) exec(ctx context.Context, statement string) error {
	_, err := w.conn.ExecContext(ctx, statement)
	return err
}

// moveOn begins a fresh run. That is one more commit every some twenty thousand orders.
func (w *Writer) moveOn(ctx context.Context) error {
	w.begin(w.database.newRun())
	return w.exec(ctx, "INSERT INTO runs (id, train_number, train_id, service_date, sale_opens_at, "+
		"closes_before_seconds, status, reason, version, touched_at, publication) "+
		"VALUES ('"+w.run+"', 'L', '"+trainID+"', '2030-01-01', 0, 300, 'PUBLISHED', '', 1, 0, 1)")
}

func (w *Writer) begin(run string) {
	w.run, w.version, w.left, w.maps, w.changesBytes = run, 1, w.database.season, newMaps(), noMaps
}

// Write writes one transaction of n orders, in one text.
func (w *Writer) Write(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if len(w.left) < n {
		if err := w.moveOn(ctx); err != nil {
			return err
		}
	}
	if err := w.build(n); err != nil {
		return err
	}
	w.version++
	return w.exec(ctx, string(w.text))
}

// build makes the transaction's text.
func (w *Writer) build(n int) error {
	sold := w.take(n)
	if err := w.buildSeats(sold); err != nil {
		return err
	}
	w.buildOrders(sold)
	// As in a sale, the version cannot become NULL.
	w.text = fmt.Appendf(w.text[:0], "START TRANSACTION; "+
		"UPDATE runs SET version = CASE version WHEN %d THEN version + 1 END, touched_at = %s, changes_bytes = %d "+
		"WHERE id = '%s'",
		w.version, nowText, w.changesBytes, w.run)
	for _, statements := range [][]byte{w.seats, w.orders, w.tickets, w.outbox, []byte("COMMIT")} {
		w.text = append(append(w.text, "; "...), statements...)
	}
	return nil
}

// take takes the next places.
func (w *Writer) take(n int) []place {
	sold := w.left[:n]
	w.left = w.left[n:]
	return sold
}

// buildSeats makes the statements of what changes on the seats: the changes, or now and then the whole maps.
func (w *Writer) buildSeats(sold []place) error {
	w.changes = w.changes[:0]
	for _, p := range sold {
		if err := w.maps[p.Class].Sell(p.seat, p.From, p.To); err != nil {
			return err
		}
		w.changes = seatmap.AppendChange(w.changes,
			seatmap.Change{Class: p.Class, Seat: p.seat, From: p.From, To: p.To})
	}
	if w.changesBytes >= 0 && w.changesBytes < maxChanges {
		w.changesBytes += changeRow + len(w.changes)
		w.seats = fmt.Appendf(w.seats[:0], "INSERT INTO seat_changes (run_id, version, changes) VALUES ('%s',%d,x'%x')",
			w.run, w.version+1, w.changes)
		return nil
	}
	w.changesBytes = 0
	w.seats = append(w.seats[:0], "REPLACE INTO seat_maps (run_id, seat_class, sold) VALUES "...)
	for i, class := range load.Classes {
		if i > 0 {
			w.seats = append(w.seats, ',')
		}
		w.seats = fmt.Appendf(w.seats, "('%s','%s',x'%x')", w.run, class, w.maps[i].Encode())
	}
	w.seats = fmt.Appendf(w.seats, "; DELETE FROM seat_changes WHERE run_id = '%s'", w.run)
	return nil
}

// WritePlain writes one order with its ticket in a transaction and nothing else, and says how long its COMMIT took:
// what any program pays that wants an order to be safe.
func (w *Writer) WritePlain(ctx context.Context) (commit time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if len(w.left) == 0 {
		if err := w.moveOn(ctx); err != nil {
			return 0, err
		}
	}
	w.buildOrders(w.take(1))
	for _, statement := range []string{"START TRANSACTION", string(w.orders), string(w.tickets)} {
		if err := w.exec(ctx, statement); err != nil {
			return 0, err
		}
	}
	begun := time.Now()
	err = w.exec(ctx, "COMMIT")
	return time.Since(begun), err
}
