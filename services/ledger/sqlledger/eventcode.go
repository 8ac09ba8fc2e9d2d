package sqlledger

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// A row of the outbox has its events packed: they are written by every sale, and read once. Its id begins with a run
// and a version of it. Each event is a letter for its type, the order's version, and what the order's id adds to the
// run: of an order that is placed, what it adds to the run and the version. Numbers and lengths are uvarints.

// eventLetters are the types. A letter is never used for another.
var eventLetters = map[ledger.EventType]byte{
	ledger.EventOrderPlaced:    'o',
	ledger.EventOrderPaid:      'p',
	ledger.EventOrderExpired:   'e',
	ledger.EventOrderCancelled: 'c',
	ledger.EventRunSuspended:   's',
	ledger.EventRunResumed:     'r',
	ledger.EventRunWithdrawn:   'w',
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
	to = binary.AppendUvarint(to, uint64(e.OrderVersion))
	tail := ""
	if e.OrderID != "" {
		tail = strings.TrimPrefix(e.OrderID, orderBase(e.Type, e.RunID, e.RunVersion))
	}
	to = binary.AppendUvarint(to, uint64(len(tail)))
	return append(to, tail...)
}

// unpackEvents reads the events of a row, all of which became true at one time. An error says what is damaged.
func unpackEvents(id string, at time.Time, packed []byte) (rail.RunID, []ledger.Event, error) {
	run, version, ok := rail.VersionInOrderID(id)
	if !ok {
		return "", nil, fmt.Errorf("ledger: the row %q of the outbox names no run and version", id)
	}
	var events []ledger.Event
	for len(packed) > 0 {
		kind, known := eventsByLetter[packed[0]]
		if !known {
			return run, nil, fmt.Errorf("ledger: the row %q of the outbox has an event of the unknown type %q",
				id, packed[0])
		}
		number, n := binary.Uvarint(packed[1:])
		length, m := binary.Uvarint(packed[1+max(n, 0):])
		begin := 1 + n + m
		if n <= 0 || m <= 0 || length > uint64(len(packed)-begin) {
			return run, nil, fmt.Errorf("ledger: the row %q of the outbox breaks off", id)
		}
		e := ledger.Event{Type: kind, RunID: run, RunVersion: version, Time: at}
		if length > 0 {
			e.OrderID = orderBase(kind, run, version) + string(packed[begin:begin+int(length)])
			e.OrderVersion = int64(number)
		}
		events = append(events, e)
		packed = packed[begin+int(length):]
	}
	if len(events) == 0 {
		return run, nil, fmt.Errorf("ledger: the row %q of the outbox has no events", id)
	}
	return run, events, nil
}
