package ceiling

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"interlock/lab/load"
	"interlock/services/rail"
)

const (
	// buyers is how many buyers a hot run has in the lab.
	buyers = 1_024
	// payWithin is how long an order may stay unpaid.
	payWithin = 15 * time.Minute
	// rowsOfOrders and rowsOfTickets are how many rows the ledger writes in one statement: 16,000 values.
	rowsOfOrders, rowsOfTickets = 16_000 / 18, 16_000 / 12
	// digestBytes are what a request's hash and a document's digest keep of their 32 bytes.
	digestBytes = 24
	// sealedBytes is how much longer a name and a document number are once they are sealed: a length, a nonce and a
	// tag.
	sealedBytes = 1 + 12 + 16
	// scatter makes of a count what looks as random as an order's number and, being odd, is as little there twice.
	scatter = 0x9e3779b97f4a7c15

	ordersHead = "INSERT INTO orders (run_id, id, number, buyer, idempotency_key, body_hash, version, state, " +
		"state_reason, train_id, " +
		"from_call, to_call, total_minor, currency, placed_at, pay_by, pay_attempts, placed_run_version) VALUES "
	ticketsHead = "INSERT INTO tickets (run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, " +
		"currency, personal, " +
		"personal_key, document) VALUES "
	// placedEvent is what the event of an order begins with: its type, its version, and the length of what follows, 13,
	// as the driver writes it.
	placedEvent = "o\x01\\r"
)

// orderID is how an order's unique part is written: see newOrderID of cmd/interlock.
var orderID = base32.HexEncoding.WithPadding(base32.NoPadding)

// buildOrders makes the text of the orders, of their tickets and of their events. Keys are made as the lab's buyers
// make them. The sealed passenger, the request's hash and the document's digest are random, and as long as a sale's.
func (w *Writer) buildOrders(sold []place) {
	placed := time.Now()
	times := strconv.FormatInt(placed.UnixMilli(), 10) + "," + strconv.FormatInt(placed.Add(payWithin).UnixMilli(), 10)
	w.orders, w.tickets = w.orders[:0], w.tickets[:0]
	id := rail.OrderIDsFrom(rail.RunID(w.run), w.version+1)
	w.outbox = append(w.outbox[:0], "INSERT INTO outbox (id, at, events) VALUES ('"+id+"',"+nowText+",_binary'"...)
	for i, p := range sold {
		count := w.database.orders.Add(1)
		class := load.Classes[p.Class]
		seat := w.database.formation.Seats(class)[p.seat]
		price := load.Price(p.Trip)
		var unique [8]byte
		binary.NativeEndian.PutUint64(unique[:], w.random.Uint64())
		key := load.NewKey(w.random, count)

		w.orders = startRow(w.orders, i, rowsOfOrders, ordersHead)
		w.orders = append(w.orders, "('"+w.run+"','"+id...)
		w.orders = orderID.AppendEncode(w.orders, unique[:])
		w.orders = append(append(w.orders, "','"...), rail.NewOrderNumber(placed, count*scatter)...)
		w.orders = fmt.Appendf(w.orders, "','buyer-%05d','", w.random.IntN(buyers))
		w.orders = hex.AppendEncode(w.orders, key[:])
		w.orders = w.appendDigest(append(w.orders, "','"...))
		w.orders = fmt.Appendf(w.orders, "',1,'ON_HOLD','','"+trainID+"',%d,%d,%d,'CNY',%s,0,%d)", p.From, p.To, price,
			times, w.version+1)

		w.outbox = orderID.AppendEncode(append(w.outbox, placedEvent...), unique[:])

		w.tickets = startRow(w.tickets, i, rowsOfTickets, ticketsHead)
		w.tickets = append(w.tickets, "('"+w.run+"','"+id...)
		w.tickets = orderID.AppendEncode(w.tickets, unique[:])
		w.tickets = fmt.Appendf(w.tickets, "',0,'%s',%d,'%s','%s',%d,'CNY','", class, p.seat, seat.Coach.Number,
			seat.Seat.Label, price)
		w.passenger = load.AppendDocument(load.AppendName(w.passenger[:0], w.random), count)
		w.tickets = w.appendText(w.tickets, len(w.passenger)+sealedBytes)
		w.tickets = w.appendDigest(append(w.tickets, "','lab','"...))
		w.tickets = append(w.tickets, "')"...)
	}
	w.outbox = append(w.outbox, "')"...)
}

// letters are 64 that need no escaping.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// startRow appends what comes before a row: a comma, or the head of the next statement once this one has all the rows
// it may have.
func startRow(b []byte, row, rows int, head string) []byte {
	switch {
	case row%rows != 0:
		return append(b, ',')
	case row > 0:
		b = append(b, "; "...)
	}
	return append(b, head...)
}

// appendText appends random letters: what is sealed is bytes, and takes as many on the way and in the database.
func (w *Writer) appendText(b []byte, n int) []byte {
	const each = 10 // of 64 bits
	for i := 0; i < n; i += each {
		v := w.random.Uint64()
		for range min(each, n-i) {
			b, v = append(b, letters[v%64]), v/64
		}
	}
	return b
}

func (w *Writer) appendDigest(b []byte) []byte {
	var digest [digestBytes]byte
	for i := 0; i < digestBytes; i += 8 {
		binary.NativeEndian.PutUint64(digest[i:], w.random.Uint64())
	}
	return base64.RawURLEncoding.AppendEncode(b, digest[:])
}
