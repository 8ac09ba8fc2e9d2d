package sqlledger

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// A row of the outbox has its events packed: they are written by every sale, and read once. Its id begins with a run
// and a version of it. Each event is a letter for its type, the order's version, and what the order's id adds to the
// run: of an order that is placed, what it adds to the run and the version. An event of a payment has the payment's
// version there, and behind the order the payment's id. Numbers and lengths are uvarints.

// eventLetters are the types. A letter is never used for another.
var eventLetters = map[ledger.EventType]byte{
	ledger.EventOrderPlaced:    'o',
	ledger.EventOrderPaid:      'p',
	ledger.EventOrderExpired:   'e',
	ledger.EventOrderCancelled: 'c',
	ledger.EventOrderRefunded:  'f',
	ledger.EventOrderChanged:   'g',
	ledger.EventOrderChanging:  'h',
	ledger.EventOrderUnchanged: 'u',
	ledger.EventOrderUsed:      'i',
	ledger.EventRunSuspended:   's',
	ledger.EventRunResumed:     'r',
	ledger.EventRunWithdrawn:   'w',

	ledger.EventPaymentAuthorised: 'a',
	ledger.EventPaymentCaptured:   'k',
	ledger.EventPaymentEnded:      'x',
	ledger.EventPaymentRefunded:   'm',
}

var eventsByLetter = func() map[byte]ledger.EventType {
	all := make(map[byte]ledger.EventType, len(eventLetters))
	for kind, letter := range eventLetters {
		all[letter] = kind
	}
	return all
}()

// orderBase is what the id of an event's order begins with, in a row of a run at a version.
func orderBase(kind ledger.EventType, run rail.RunID, version int64) string {
	if kind == ledger.EventOrderPlaced {
		return rail.OrderIDsFrom(run, version)
	}
	return string(run) + "/"
}

// packEvent adds an event to those of a row.
func packEvent(to []byte, e *ledger.Event) []byte {
	to = append(to, eventLetters[e.Type])
	to = binary.AppendUvarint(to, uint64(e.OrderVersion+e.PaymentVersion)) // one of them is 0
	tail := ""
	if e.OrderID != "" {
		tail = strings.TrimPrefix(e.OrderID, orderBase(e.Type, e.RunID, e.RunVersion))
	}
	to = packText(to, tail)
	if e.PaymentID != "" {
		to = packText(to, e.PaymentID)
	}
	return to
}

func packText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// unpackEvents reads the events of a row, all of which became true at one time. An error says what is damaged.
func unpackEvents(id string, at time.Time, packed []byte) (rail.RunID, []ledger.Event, error) {
	run, version, ok := rail.VersionInOrderID(id)
	if !ok {
		return "", nil, fmt.Errorf("ledger: the row %q of the outbox names no run and version", id)
	}
	var events []ledger.Event
	for r := (eventReader{rest: packed}); len(r.rest) > 0; {
		kind, known := eventsByLetter[r.rest[0]]
		if !known {
			return run, nil, fmt.Errorf("ledger: the row %q of the outbox has an event of the unknown type %q",
				id, r.rest[0])
		}
		r.rest = r.rest[1:]
		e := ledger.Event{Type: kind, RunID: run, RunVersion: version, Time: at}
		number := int64(r.number())
		if tail := r.text(); tail != "" {
			e.OrderID = orderBase(kind, run, version) + tail
			e.OrderVersion = number
		}
		if slices.Contains(ledger.PaymentEventTypes, kind) {
			e.PaymentID, e.PaymentVersion, e.OrderVersion = r.text(), number, 0
			r.broken = r.broken || e.PaymentID == ""
		}
		if r.broken {
			return run, nil, fmt.Errorf("ledger: the row %q of the outbox breaks off", id)
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return run, nil, fmt.Errorf("ledger: the row %q of the outbox has no events", id)
	}
	return run, events, nil
}

// eventReader reads what is packed. broken tells that it broke off before all was there.
type eventReader struct {
	rest   []byte
	broken bool
}

func (r *eventReader) number() uint64 {
	number, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.broken, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return number
}

func (r *eventReader) text() string {
	length := r.number()
	if length > uint64(len(r.rest)) {
		r.broken, r.rest = true, nil
		return ""
	}
	text := string(r.rest[:length])
	r.rest = r.rest[length:]
	return text
}
