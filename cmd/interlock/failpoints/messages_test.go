package failpoints_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/cmd/interlock/failpoints"
	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/rail"
)

// post is an outbox, a stream and a queue that note what was asked of them.
type post struct {
	messages.Outbox
	messages.Stream
	messages.Queue

	mu   sync.Mutex
	done []string
}

func (p *post) did(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, what)
}

// take returns what was done since the last take.
func (p *post) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.done
	p.done = nil
	return taken
}

// rows are of two runs. Only the second is waited for.
func rows() []ledger.OutboxRow {
	row := func(id string, of rail.RunID, order string) ledger.OutboxRow {
		return ledger.OutboxRow{ID: id, RunID: of, Events: []ledger.Event{{
			Type: ledger.EventOrderPaid, OrderID: order, OrderVersion: 2, RunID: of, RunVersion: 1,
		}}}
	}
	return []ledger.OutboxRow{row("row-1", "T11@2019-10-12", "order-1"), row("row-2", run, "order-2")}
}

var entry = ledger.StreamID{Millis: 5, Seq: 6}

func (p *post) TakeEvents(context.Context, rail.RunID, int) ([]ledger.OutboxRow, error) {
	p.did("take")
	return rows(), nil
}

func (p *post) Append(
	context.Context, messages.Standing, ledger.StreamID, []ledger.Event,
) (ledger.StreamID, error) {
	p.did("append")
	return entry, nil
}

func (p *post) MarkPublished(context.Context, []ledger.Published) error {
	p.did("mark")
	return nil
}

func (p *post) Fresh(context.Context, string, string, int, time.Duration) ([]messages.Delivery, error) {
	p.did("read")
	return []messages.Delivery{
		{ID: ledger.StreamID{Millis: 5, Seq: 5}, Event: rows()[0].Events[0]}, {ID: entry, Event: rows()[1].Events[0]},
	}, nil
}

func (p *post) MakeGroup(context.Context, string) error { return nil }

func (p *post) Acknowledge(context.Context, string, []ledger.StreamID) error {
	p.did("acknowledge")
	return nil
}

// holds repeats something until it is held at a point, and is what was held and done by then.
func (p *post) holds(t *testing.T, path string, point failpoints.Point, do func()) (*failpoints.Held, []string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var repeating sync.WaitGroup
	repeating.Go(func() {
		for ctx.Err() == nil {
			p.take()
			do()
		}
	})
	held, release, err := failpoints.Hold(t.Context(), path, point, []rail.RunID{run})
	require.NoError(t, err)
	done := p.take()
	stop()
	release()
	repeating.Wait()
	return held, done
}

func TestRelay_HeldAtEachPoint(t *testing.T) {
	for point, want := range map[failpoints.Point][]string{
		failpoints.AfterTake: {"take"}, failpoints.AfterAppend: {"take", "append"},
		failpoints.AfterMark: {"take", "append", "mark"},
	} {
		t.Run(string(point), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "control")
			control, err := failpoints.Listen(path, time.Minute)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, control.Close()) })
			p := &post{}
			relay := &messages.Relay{Outbox: p, Stream: p}
			control.Relay(relay)
			held, done := p.holds(t, path, point, func() {
				taken, err := relay.Outbox.TakeEvents(t.Context(), "", 10)
				require.NoError(t, err)
				for _, row := range taken {
					_, err := relay.Stream.Append(t.Context(), messages.Standing{}, ledger.StreamID{}, row.Events)
					require.NoError(t, err)
					require.NoError(t, relay.Outbox.MarkPublished(t.Context(),
						[]ledger.Published{{IDs: []string{row.ID}, Last: entry}}))
				}
			})
			is := failpoints.Held{Point: point, Run: run, Row: "row-2", Subject: "order-2", Version: 2}
			if point != failpoints.AfterTake {
				is.Entry = entry.String()
				want = append([]string{"take", "append", "mark"}, want[1:]...) // the first row passed by
			}
			require.Equal(t, is, *held)
			require.Equal(t, want, done)
		})
	}
	require.Len(t, failpoints.RelayPoints(), 3)
}

func TestConsumer_HeldAtEachPoint(t *testing.T) {
	for point, want := range map[failpoints.Point][]string{
		failpoints.AfterRead: {"read"}, failpoints.AfterEffect: {"read", "order-1", "order-2"},
		failpoints.BeforeAcknowledge: {"read", "order-1", "order-2"},
	} {
		t.Run(string(point), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "control")
			control, err := failpoints.Listen(path, time.Minute)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, control.Close()) })
			p := &post{}
			consumer := &messages.Consumer{
				Group: "group", Name: "one", Queue: p,
				Handler: func(_ context.Context, event ledger.Event) error {
					p.did(event.OrderID)
					return nil
				},
			}
			control.Consumer(consumer)
			held, done := p.holds(t, path, point, func() {
				fresh, err := consumer.Queue.Fresh(t.Context(), "group", "one", 10, time.Second)
				require.NoError(t, err)
				var ids []ledger.StreamID
				for _, d := range fresh {
					require.NoError(t, consumer.Handler(t.Context(), d.Event))
					ids = append(ids, d.ID)
				}
				require.NoError(t, consumer.Queue.Acknowledge(t.Context(), "group", ids))
			})
			require.Equal(t, failpoints.Held{
				Point: point, Run: run, Subject: "order-2", Version: 2, Entry: entry.String(), Group: "group",
				Consumer: "one",
			}, *held)
			require.Equal(t, want, done)
		})
	}
	require.Len(t, failpoints.ConsumerPoints(), 3)
}
