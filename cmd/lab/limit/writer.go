package limit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver
	"github.com/google/uuid"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// commitTimeout bounds one transaction: the largest of the sweep takes a second on a busy machine.
const commitTimeout = 30 * time.Second

// Options say what is written and where.
type Options struct {
	// DSN is a database of its own on the primary.
	DSN string
	// Legs, SeatsPerClass and Classes make the seat maps' size.
	Legs, SeatsPerClass int
	Classes             []rail.SeatClass
}

// Limit is a database to write into.
type Limit struct {
	options Options
	db      *sql.DB
	runs    int
	numbers atomic.Uint64
}

// Open makes the tables, the ledger's own.
func Open(ctx context.Context, o Options) (*Limit, error) {
	if err := ledger.Migrate(ctx, ledger.Options{DSN: o.DSN}); err != nil {
		return nil, err
	}
	db, err := sql.Open("mysql", o.DSN+"?multiStatements=true")
	if err != nil {
		return nil, err
	}
	return &Limit{options: o, db: db}, nil
}

// Close disconnects.
func (l *Limit) Close() error { return l.db.Close() }

// Writer writes transactions of orders on one connection and one run of its own, so that no two wait for one row.
type Writer struct {
	limit   *Limit
	conn    *sql.Conn
	run     string
	version int64
	orders  []byte
	tickets []byte
	seats   []byte
	text    []byte
	// changes is how many bytes of changes were written since the seat maps were.
	changes int
	count   uint64
}

// NewWriter makes a run and a writer for it.
func (l *Limit) NewWriter(ctx context.Context) (*Writer, error) {
	l.runs++
	w := &Writer{limit: l, run: fmt.Sprintf("L%d@2030-01-01", l.runs), version: 1}
	var err error
	if w.conn, err = l.db.Conn(ctx); err != nil {
		return nil, err
	}
	err = w.exec(ctx, "INSERT INTO runs (id, train_number, train_id, service_date, sale_opens_at, closes_before_seconds, status, reason, version, touched_at, publication) "+
		"VALUES ('"+w.run+"', 'L', '"+trainID+"', '2030-01-01', 0, 300, 'PUBLISHED', '', 1, 0, 1)")
	return w, err
}

// trainID is as long as the ledger's.
const trainID = "3b2e7c1d9a8f4e6b5c0d1a2f3e4b5c6d"

// Close gives the connection back.
func (w *Writer) Close() error { return w.conn.Close() }

func (w *Writer) exec(ctx context.Context, statement string) error {
	_, err := w.conn.ExecContext(ctx, statement)
	return err
}

// Write writes one transaction of n orders, in one text.
func (w *Writer) Write(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	w.build(n)
	// As in a sale, the version cannot become NULL.
	w.text = fmt.Appendf(w.text[:0], "START TRANSACTION; UPDATE runs SET version = CASE version WHEN %d THEN version + 1 END, touched_at = %d WHERE id = '%s'",
		w.version, time.Now().UnixMilli(), w.run)
	for _, statement := range [][]byte{w.seats, w.orders, w.tickets, []byte("COMMIT")} {
		w.text = append(append(w.text, "; "...), statement...)
	}
	w.version++
	return w.exec(ctx, string(w.text))
}

// buyers is how many buyers a hot run has in the lab.
const buyers = 1_024

// orderID is how an order's unique part is written: see newOrderID of cmd/interlock.
var orderID = base32.HexEncoding.WithPadding(base32.NoPadding)

// build makes the statements' text. The rows are as long as a sale's.
func (w *Writer) build(n int) {
	placed := time.Now()
	now := strconv.FormatInt(placed.UnixMilli(), 10)
	payBy := strconv.FormatInt(placed.Add(15*time.Minute).UnixMilli(), 10)
	w.buildSeats(n)
	w.orders = append(w.orders[:0], "INSERT INTO orders (run_id, id, number, buyer, idempotency_key, body_hash, version, state, state_reason, train_id, "+
		"from_call, to_call, total_minor, currency, placed_at, pay_by, pay_attempts) VALUES "...)
	w.tickets = append(w.tickets[:0], "INSERT INTO tickets (run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, currency, passenger_name, "+
		"document_number, live_document) VALUES "...)
	for i := range n {
		w.count++
		unique := uuid.Must(uuid.NewV7())
		id := orderID.EncodeToString(unique[:])
		// As unlike each other as keys and digests are.
		random := uuid.New()
		key := hex.EncodeToString(random[:])
		// Thousands of one moment would have two alike now and then, and a sale draws again.
		number := rail.NewOrderNumber(placed, w.limit.numbers.Add(1))
		buyer := binary.NativeEndian.Uint16(random[8:]) % buyers
		class := w.limit.options.Classes[i%len(w.limit.options.Classes)]
		if i > 0 {
			w.orders, w.tickets = append(w.orders, ','), append(w.tickets, ',')
		}
		w.orders = append(w.orders, "('"+w.run+"','"+w.run+"/"+id+"','"+number+"','"+fmt.Sprintf("buyer-%05d", buyer)+"','"+key+"','"+key+
			"',1,'ON_HOLD','','"+trainID+"',3,17,55300,'CNY',"+now+","+payBy+",0)"...)
		w.tickets = append(w.tickets, "('"+w.run+"','"+w.run+"/"+id+"',0,'"+string(class)+"',1234,'12','34B',55300,'CNY','王秀英','110101199001"+
			strconv.FormatUint(100_000+w.count%900_000, 10)+"','"+key+"')"...)
	}
}

// The ledger's: a sold seat is about six bytes of changes, and the whole maps are written after 16 KiB of them.
const (
	changeBytes = 6
	changesRow  = 16
	maxChanges  = 16 << 10
)

// buildSeats makes the statement of what changes on the seats.
func (w *Writer) buildSeats(n int) {
	changes := make([]byte, changeBytes*n)
	_, _ = rand.Read(changes) // it never fails
	if w.changes > 0 && w.changes < maxChanges {
		w.changes += changesRow + len(changes)
		w.seats = fmt.Appendf(w.seats[:0], "INSERT INTO seat_changes (run_id, version, changes) VALUES ('%s',%d,x'%x')", w.run, w.version+1, changes)
		return
	}
	w.changes = changesRow
	bits := make([]byte, w.limit.options.Legs*((w.limit.options.SeatsPerClass+63)/64)*8)
	_, _ = rand.Read(bits[:len(bits)/2])
	w.seats = append(w.seats[:0], "REPLACE INTO seat_maps (run_id, seat_class, sold) VALUES "...)
	for i, class := range w.limit.options.Classes {
		if i > 0 {
			w.seats = append(w.seats, ',')
		}
		w.seats = fmt.Appendf(w.seats, "('%s','%s',x'%x')", w.run, class, bits)
	}
}

// WritePlain writes one order with its ticket in a transaction and nothing else, and says how long its COMMIT took: what
// any program pays that wants an order to be safe.
func (w *Writer) WritePlain(ctx context.Context) (commit time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	w.build(1)
	for _, statement := range []string{"START TRANSACTION", string(w.orders), string(w.tickets)} {
		if err := w.exec(ctx, statement); err != nil {
			return 0, err
		}
	}
	begun := time.Now()
	err = w.exec(ctx, "COMMIT")
	return time.Since(begun), err
}
