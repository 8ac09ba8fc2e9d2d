package watch_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

const crowd = 10_000

// BenchmarkFanOut tells 10,000 subscribers of one run of a change, and waits until each has it.
func BenchmarkFanOut(b *testing.B) {
	w := newWorld()
	hub := newHub(w)
	hub.EventsPerSecond = 0
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	id := w.publish("G1", "A", "B")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	streams := make([]<-chan *rail.Snapshot, crowd)
	for i := range streams {
		var err error
		streams[i], err = hub.SubscribeSeats(ctx, []rail.RunID{id}, "", "")
		require.NoError(b, err)
	}
	for _, events := range streams {
		<-events
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		w.say(w.sell(id))
		for _, events := range streams {
			<-events
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/crowd, "B/subscriber")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/crowd, "ns/event")
	cancel()
	running.Wait()
}
