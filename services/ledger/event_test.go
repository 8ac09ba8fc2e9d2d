package ledger_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// The JSON of each type. A field may be added; none of these may be taken away or changed.
const golden = `
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.1","source":"interlock","type":"interlock.order.placed",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":1,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.2","source":"interlock","type":"interlock.order.paid",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":2,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.3","source":"interlock","type":"interlock.order.expired",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":3,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.4","source":"interlock","type":"interlock.order.cancelled",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":4,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.5","source":"interlock","type":"interlock.order.refunded",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":5,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.6","source":"interlock","type":"interlock.order.changed",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":6,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.7","source":"interlock","type":"interlock.order.changing",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":7,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.8","source":"interlock","type":"interlock.order.unchanged",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":8,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12/000000003aq.9","source":"interlock","type":"interlock.order.used",` +
	`"subject":"T12@2026-10-12/000000003aq","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"orderId":"T12@2026-10-12/000000003aq","orderVersion":9,"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12.106","source":"interlock","type":"interlock.run.suspended",` +
	`"subject":"T12@2026-10-12","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12.106","source":"interlock","type":"interlock.run.resumed",` +
	`"subject":"T12@2026-10-12","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"T12@2026-10-12.106","source":"interlock","type":"interlock.run.withdrawn",` +
	`"subject":"T12@2026-10-12","time":"2026-10-01T08:00:00.120Z",` +
	`"data":{"runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"7f3a.13","source":"interlock","type":"interlock.payment.authorised",` +
	`"subject":"7f3a","time":"2026-10-01T08:00:00.120Z","data":{"paymentId":"7f3a","paymentVersion":13,` +
	`"orderId":"T12@2026-10-12/000000003aq","runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"7f3a.14","source":"interlock","type":"interlock.payment.captured",` +
	`"subject":"7f3a","time":"2026-10-01T08:00:00.120Z","data":{"paymentId":"7f3a","paymentVersion":14,` +
	`"orderId":"T12@2026-10-12/000000003aq","runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"7f3a.15","source":"interlock","type":"interlock.payment.ended",` +
	`"subject":"7f3a","time":"2026-10-01T08:00:00.120Z","data":{"paymentId":"7f3a","paymentVersion":15,` +
	`"orderId":"T12@2026-10-12/000000003aq","runId":"T12@2026-10-12","runVersion":106}}
{"specversion":"1.0","id":"7f3a.16","source":"interlock","type":"interlock.payment.refunded",` +
	`"subject":"7f3a","time":"2026-10-01T08:00:00.120Z","data":{"paymentId":"7f3a","paymentVersion":16,` +
	`"orderId":"T12@2026-10-12/000000003aq","runId":"T12@2026-10-12","runVersion":106}}
`

// eventOf is the event of a type that golden has.
func eventOf(kind ledger.EventType) ledger.Event {
	run := rail.NewRunID("T12", rail.NewDate(2026, 10, 12))
	e := ledger.Event{
		Type: kind, RunID: run, RunVersion: 106,
		Time: time.Date(2026, 10, 1, 8, 0, 0, 120_000_000, time.UTC),
	}
	switch {
	case strings.HasPrefix(string(kind), "interlock.order."):
		e.OrderID, e.OrderVersion = rail.NewOrderID(run, 106, "q"), 1
	case strings.HasPrefix(string(kind), "interlock.payment."):
		e.OrderID, e.PaymentID, e.PaymentVersion = rail.NewOrderID(run, 106, "q"), "7f3a", 1
	}
	return e
}

func TestEvent_Golden(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(golden), "\n")
	kinds := slices.Concat(ledger.EventTypes, ledger.PaymentEventTypes)
	require.Len(t, lines, len(kinds), "each type has its line")
	for i, kind := range kinds {
		e := eventOf(kind)
		switch {
		case e.PaymentID != "":
			e.PaymentVersion = int64(i + 1)
		case e.OrderID != "":
			e.OrderVersion = int64(i + 1)
		}
		text, err := json.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, lines[i], string(text))
		var read ledger.Event
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, e, read)
	}
}

// TestEvent_ReadsWhatIsLater takes what a later version may write: other types, other fields.
func TestEvent_ReadsWhatIsLater(t *testing.T) {
	text := `{"specversion":"1.0","id":"T12@2026-10-12.7","source":"interlock","type":"interlock.run.repainted",
		"subject":"T12@2026-10-12","time":"2026-10-01T10:00:00.12+02:00","datacontenttype":"application/json",
		"data":{"runId":"T12@2026-10-12","runVersion":7,"colour":"green"}}`
	var read ledger.Event
	require.NoError(t, json.Unmarshal([]byte(text), &read))
	require.Equal(t, ledger.Event{
		Type: "interlock.run.repainted", RunID: "T12@2026-10-12", RunVersion: 7,
		Time: time.Date(2026, 10, 1, 8, 0, 0, 120_000_000, time.UTC),
	}, read)
}

func TestEvent_RefusesWhatIsNone(t *testing.T) {
	good := strings.Split(strings.TrimSpace(golden), "\n")[0]
	for part, wrong := range map[string]string{
		`"1.0"`:                                  `"0.3"`,
		`"source":"interlock"`:                   `"source":"timetable"`,
		`"type":"interlock.order.placed"`:        `"type":""`,
		`"subject":"T12@2026-10-12/000000003aq"`: `"subject":"T12@2026-10-12"`,
		`aq.1"`:                                  `aq.2"`,
		`"2026-10-01T08:00:00.120Z"`:             `"yesterday"`,
		`"orderVersion":1`:                       `"orderVersion":"1"`,
		`}}`:                                     `}`,
	} {
		require.Contains(t, good, part)
		read := eventOf(ledger.EventRunResumed)
		before := read
		require.Error(t, json.Unmarshal([]byte(strings.Replace(good, part, wrong, 1)), &read), wrong)
		require.Equal(t, before, read, "what cannot be read changes nothing")
	}
}

func TestStreamID(t *testing.T) {
	for _, text := range []string{"0-0", "1764529000123-0", "1764529000123-17", "9223372036854775807-9"} {
		id, err := ledger.ParseStreamID(text)
		require.NoError(t, err)
		require.Equal(t, text, id.String())
		require.Equal(t, text == "0-0", id.IsZero())
	}
	for _, text := range []string{"", "-", "1", "1-", "-1", "1-x", "-1-1", "1--1", "1-1-1", "9223372036854775808-0"} {
		_, err := ledger.ParseStreamID(text)
		require.Error(t, err, text)
	}
	require.Negative(t, ledger.StreamID{9, 5}.Compare(ledger.StreamID{10, 0}))
	require.Negative(t, ledger.StreamID{9, 5}.Compare(ledger.StreamID{9, 10}))
	require.Zero(t, ledger.StreamID{9, 5}.Compare(ledger.StreamID{9, 5}))
}
